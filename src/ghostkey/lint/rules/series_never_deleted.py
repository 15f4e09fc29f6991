"""A metric has a series for each object, and nothing deletes the series of objects that are gone.

*What it finds.* A gauge, counter or histogram vector with a label that names objects (namespace and name, node, queue …), used with
such values, and without DeleteLabelValues, DeletePartialMatch or Reset anywhere.

*Why it matters.* Every object there ever was keeps a series: the scrape grows, and a gauge goes on telling of what is gone.
Counters and histograms are told with `--level B`: many are meant to stay until the process ends.

*When it is wrong.* The objects are few and stay.

Bad:

    ready.WithLabelValues(tenant.Namespace, tenant.Name).Set(1) // want "nothing deletes"

Good:

    if apierrors.IsNotFound(err) {
        ready.DeleteLabelValues(req.Namespace, req.Name)
    }
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.facts import Series
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.held import METRIC
from ghostkey.lint.judgements.code import is_aside
from ghostkey.lint.judgements.lifetime import LONG
from ghostkey.lint.judgements.startup import releases_while_running
from ghostkey.lint.module import Module, Spot, Symbol

_OBJECT = re.compile(
    r"name|namespace|\buid|pod|node|instance|cluster|queue|pool|object|resource|\bkey|image|host|ingress|service|workload|"
    r"subscription|csv|secret|zone|id\b|address|peer|url|volume|trigger|scaler|rule|policy|cohort|user|app|project|repo|release|"
    r"machine|ip\b|^ns$",
    re.IGNORECASE,
)
_NO_OBJECT = re.compile(
    r"(?:controller(?:_?name)?|method|code|status|type|reason|result|operation|verb|resource_?type|phase|level|version|api|kind|error|action|"
    r"webhook|handler|state|plugin|driver|family|source|protocol)s?$",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"(?i:\.(?:Name|Namespace|UID|GetName\(\)|GetNamespace\(\)))|"
    r"(?i:\b(?:name|namespace|ns|key|id|pool|cq|lq|node\w*|cluster\w*|cohort|podname|csv|subscription\w*)\b)|Name\b|Namespace\b|ID\b"
)
_SAID = re.compile(r"[\"`]|[\w.]+\(\s*[\"`][^\"`]*[\"`]\s*\)$")  # a value in words, or a call of one
_VECTOR = re.compile(r"New\w*(?:Counter|Gauge|Histogram|Summary)Vec\(")
_REGISTERS = re.compile(r"(?i)register|collect|describe|unwrap|^With|^append$|^New\w*Vec$")
_PAIR = re.compile(r"(?:\"[^\"]*\"|[\w.]+)\s*:\s*(\"[^\"]*\"|[^,}]+)")
# client-go asks once for each queue, and queues are made at the start
# Source: k8s.io/client-go v0.31 util/workqueue/metrics.go MetricsProvider
_PROVIDER = re.compile(
    r"New(?:Depth|Adds|Latency|WorkDuration|UnfinishedWorkSeconds|LongestRunningProcessorSeconds|Retries)Metric$"
)
_LABELS = re.compile(r"\[\]string\{([^}]*)\}")


def _find(look: Look) -> Iterator[Finding]:
    module = look.module
    for symbol, uses in module.series.items():
        declared = _declared(module, symbol)
        told = [(spot, series) for spot, series in uses if not is_aside(spot.file) and not _PROVIDER.match(spot.function.name)]
        told = [(spot, series) for spot, series in told if not _is_of_itself(look, spot, series)]
        if not told or not METRIC.search(declared) or releases_while_running(module, symbol):
            continue
        naming = _naming(module, symbol, declared)
        open_ = [(series, given) for _, series in told if (given := _open_values(module, symbol, series))]
        if not open_:
            continue  # one series for each value that the code names
        values = [value for _, given in open_ for value in given if _VALUE.search(value) and not _NO_OBJECT.search(value)]
        if naming is not None and (not naming or {label.lower() for label in naming} <= {"name"}):
            continue
        if not values and not (naming and any(len(series.labels) == 1 for series, _ in open_)):
            continue
        spot, series = told[0]
        by = ", ".join(naming or values[:3])
        yield Finding(
            "series-never-deleted",
            "A" if _is_gauge(declared) else "B",
            spot.file.path,
            series.line,
            str(symbol),
            spot.function.full_name,
            by,
            f"{symbol} has a series for each {by}, and nothing deletes one",
            tuple(Witness(s.file.path, one.line, f"written in {s.function.full_name}") for s, one in told[:5]),
        )
    yield from _handed_over(look)


def _open_values(module: Module, symbol: Symbol, series: Series) -> list[str]:
    """What a series is labelled with that the code does not name: `req.Name`, and neither `"active"` nor a constant."""
    package = module.packages.get(symbol.folder)
    constants = package.constants if package else {}
    values: list[str] = []
    for text in series.labels:
        literal = re.search(r"Labels\{(.*)\}", text, re.DOTALL)
        pairs = _PAIR.findall(literal[1]) if literal else []
        values += [value.strip() for value in pairs] or [text]
    return [value for value in values if not _SAID.match(value) and value not in constants]


def _is_of_itself(look: Look, spot: Spot, series: Series) -> bool:
    """Whether what is written about is who writes, and lives as long as the process."""
    function = spot.function
    # `string(r.id)` is said of oneself as `r.id` is
    own = re.compile(rf"(?:string\()?{re.escape(function.receiver)}\b[.\w()]*$") if function.receiver else None
    return (
        own is not None
        and any(own.match(value) for value in series.labels)
        and all(own.match(value) or _SAID.match(value) for value in series.labels)
        and look.lifetimes.of(spot.package, function.receiver_type) == LONG
    )


def _handed_over(look: Look) -> Iterator[Finding]:
    """Vectors of a package that are given to others to write, and of which no code deletes: less is known of how they are used."""
    module = look.module
    given: dict[str, tuple[Spot, int]] = {}
    for spot in look.spots():
        for call in spot.function.calls:
            if not _REGISTERS.search(call.name):
                for text in call.texts:
                    given.setdefault(text.rpartition(".")[2], (spot, call.line))
    for package in module.packages.values():
        for facts in package.files if given else ():
            for name, variable in facts.variables.items() if not is_aside(facts) else ():
                symbol = Symbol(package.folder, "", name)
                if name not in given or symbol in module.series or not _VECTOR.search(variable.value):
                    continue
                naming = _naming(module, symbol, variable.value) or []
                if not naming or {label.lower() for label in naming} <= {"name"} or releases_while_running(module, symbol):
                    continue
                by, (spot, line) = ", ".join(naming), given[name]
                yield Finding(
                    "series-never-deleted", "B", facts.path, variable.line, str(symbol), "(package)", by,
                    f"{symbol} has a series for each {by}, is handed to {spot.function.full_name}, and nothing deletes one",
                    (Witness.at(spot, line, "handed over here"),),
                )  # fmt: skip


def _is_gauge(declared: str) -> bool:
    return not re.search("Histogram|Summary", declared) and not ("Counter" in declared and "Gauge" not in declared)


def _naming(module: Module, symbol: Symbol, declared: str) -> list[str] | None:
    """The labels of a vector that name objects; None where its labels are not said."""
    package = module.packages[symbol.folder]
    found = _LABELS.findall(declared)
    # append(namespaceAndName, "type"): what a variable of the package holds
    for word in re.findall(r"[A-Za-z_]\w*", declared):
        if word != symbol.name and word in package.variables:
            found += _LABELS.findall(package.variables[word].value)[:1]
    if not found:
        return None
    labels = [re.sub(r'^.*\.|["\s]', "", word) for text in found for word in text.split(",") if word.strip()]
    return [label for label in labels if _OBJECT.search(label) and not _NO_OBJECT.search(label)]


def _declared(module: Module, symbol: Symbol) -> str:
    """The type and the initial value of a metric."""
    package = module.packages.get(symbol.folder)
    if package is None:
        return ""
    variable = package.variables.get(symbol.name) if not symbol.owner else None
    return f"{variable.type_name} {variable.value}" if variable else module.type_of(symbol)


RULE = Rule("A", "series of a metric that outlive their objects", _find)
