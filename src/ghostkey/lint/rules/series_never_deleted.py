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

from ghostkey.lint.facts import Call, Place, Series
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.held import METRIC
from ghostkey.lint.judgements.bounded import is_api_object, is_constant_in, is_constant_of_callers, is_of_options
from ghostkey.lint.judgements.code import is_aside
from ghostkey.lint.judgements.fates import LONG
from ghostkey.lint.judgements.startup import releases_while_running, runs_at_start
from ghostkey.lint.module import Module, Spot, Symbol
from ghostkey.lint.reach import calls_of

_OBJECT = re.compile(
    r"name|namespace|\buid|pod|node|instance|cluster|queue|pool|object|resource|\bkey|image|host|ingress|service|workload|"
    r"subscription|csv|secret|zone|id\b|address|peer|url|volume|trigger|scaler|rule|policy|cohort|user|app|project|repo|release|"
    r"machine|ip\b|^ns$",
    re.IGNORECASE,
)
_NO_OBJECT = re.compile(
    r"(?:controller(?:_?name)?|method|code|status|type|reason|result|operation|verb|resource(?:_?type|_?key|_?name)?|phase|level|version|api|kind|error|action|"
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
_PAIR = re.compile(r"(\"[^\"]*\"|[\w.]+)\s*:\s*(\"[^\"]*\"|[^,}]+)")
# client-go asks once for each queue, and queues are made at the start
# Source: k8s.io/client-go v0.31 util/workqueue/metrics.go MetricsProvider
_PROVIDER = re.compile(
    r"New(?:Depth|Adds|Latency|WorkDuration|UnfinishedWorkSeconds|LongestRunningProcessorSeconds|Retries)Metric$"
)
_BEGINS = re.compile(r"(?:main|[Ii]nit)(?:$|[A-Z]|ialize)")
_CONFIGURED = re.compile(
    r"[*&]*(?:\w+\.)?\w*(?:Config|Configuration|Options|Opts|Flags|Settings)$"
)  # a type of what a program is told
_OF_OBJECT = re.compile(r"\.(?:Name|Namespace|UID|GetName\(\)|GetNamespace\(\))$")
# of an atomic pointer or value: method → how many it is given, which is one more for a sync.Map
_SWAPS = {"Store": 1, "Swap": 1, "CompareAndSwap": 2}
_NO_VALUE = re.compile(r"==\s*nil\b|\bnil\s*==")
_MANAGER = re.compile(r"\w+\.Manager$")  # who is given one sets up what it runs
_RESOURCE = re.compile(r"(?i)resource(?:_?key|_?name)?$")  # of a kind as a rule, and sometimes of an object
_BOTH_NAMES = re.compile(  # namespace and name in one text
    r"(?:fmt\.Sprintf\(\"%s.%s\",\s*[\w.()]*[nN]amespace(?:\(\))?,\s*[\w.()]*[nN]ame(?:\(\))?\)|"
    r"[\w.()]*[nN]amespace(?:\(\))?\s*\+\s*\"[^\"]\"\s*\+\s*[\w.()]*[nN]ame(?:\(\))?|"
    r"(?:\w+\.)?(?:NamespacedName\{.*\}|ObjectKeyFromObject\(.*\)|NamespacedName)\.String\(\))$",
    re.DOTALL,
)
_REQUEST = re.compile(r"(?:\w+\.)?(?:Request|NamespacedName|ObjectKey|Object)$")
_OF_PROCESS = re.compile(r"os\.(?:Getenv|LookupEnv|Hostname)\(")
_PAIRS = re.compile(r"(?:Labels|map\[string\]string)\{(.*)\}", re.DOTALL)
_LABELS = re.compile(r"\[\]string\{([^}]*)\}")


def _find(look: Look) -> Iterator[Finding]:
    module = look.module
    for symbol, uses in module.series.items():
        declared = _declared(module, symbol)
        told = [(spot, series) for spot, series in uses if not is_aside(spot.file) and not _PROVIDER.match(spot.function.name)]
        told = [(spot, series) for spot, series in told if not _is_of_itself(look, spot, series)]
        told = [
            (spot, series) for spot, series in told if not _BEGINS.match(spot.function.name) or _is_of_parameter(spot, series)
        ]
        if not told or not METRIC.search(declared) or releases_while_running(module, symbol):
            continue
        if not _stays(look, symbol) or _is_deleted_by_who_gave_it(module, symbol):
            continue
        labels = _labels(module, symbol, declared)
        open_ = [(series, given) for spot, series in told if (given := _open_values(look, spot, series, labels))]
        of_objects = {label for _, given in open_ for label, _ in given if not _is_naming(label)}
        naming = labels and [label for label in labels if _is_naming(label) or label in of_objects]
        if not open_:
            continue  # one series for each value that the code names
        values = [value for _, given in open_ for _, value in given if _VALUE.search(value) and not _NO_OBJECT.search(value)]
        if naming is not None and (not naming or {label.lower() for label in naming} <= {"name"}):
            continue
        if not values and not (naming and any(len(series.labels) == 1 for series, _ in open_)):
            continue
        spot, series = told[0]
        by = ", ".join(naming or values[:3])
        yield Finding(
            "series-never-deleted",
            "A" if _is_gauge(declared) and any(_is_called(module, one) for one, _ in told) else "B",
            spot.file.path,
            series.line,
            str(symbol),
            spot.function.full_name,
            by,
            f"{symbol} has a series for each {by}, and nothing deletes one",
            tuple(Witness(s.file.path, one.line, f"written in {s.function.full_name}") for s, one in told[:5]),
        )
    yield from _handed_over(look)


def _is_of_parameter(spot: Spot, series: Series) -> bool:
    """Whether a series is of what the function is given: `initPod(pod)` runs for each of them."""
    given = {name for name, _ in spot.function.params}
    return any(text.partition(".")[0] in given for text in series.labels)


def _open_values(look: Look, spot: Spot, series: Series, labels: list[str] | None) -> list[tuple[str, str]]:
    """What names objects in the labels of a series, and is not named by the code: `req.Name`, and no words, constants or variables.

    Pairs of a label, empty where it is not known, and its value.
    """
    known = {*spot.package.constants, *spot.package.variables}
    given: list[tuple[str, str]] = []
    for position, text in enumerate(series.labels):
        literals = [found[1] for one in _made_labels(look.module, spot, text) if (found := _PAIRS.search(one))]
        pairs = [pair for literal in literals for pair in _PAIR.findall(literal)]
        pairs += [(i.place.keys[0], i.value) for i in spot.function.inserts if (i.place.root, i.place.fields) == (text, ())]
        at = labels[position] if labels and len(labels) == len(series.labels) else ""
        given += [(label, value.strip()) for label, value in pairs] or ([] if literals else [(at, text)])
    given = [(label.rpartition(".")[2].strip('"'), value) for label, value in given]
    return [
        (label, value)
        for label, value in given
        if not _SAID.match(value) and value not in known and not is_constant_in(spot, value)
        if not _is_configured(look, spot, value) and not _is_own(look, spot, value)
        if not is_constant_of_callers(look.module, spot, value)
        if not label or _is_naming(label) or (_may_name(label) and _is_of_object(look.module, spot, value))
    ]


def _may_name(label: str) -> bool:
    """Whether a label that is not called as those of objects are may be of one, which its value tells: `dataset`, and no `reason`."""
    return _RESOURCE.match(label) is not None or not _NO_OBJECT.search(label)


def _is_of_object(module: Module, spot: Spot, value: str) -> bool:
    """Whether a value is what an object of the API is called, by the type of what stands before the dot, or both its names; also in a local."""
    value = _as_set(spot, value)
    if _BOTH_NAMES.match(value):
        return True
    kind = module.type_of_root(spot, value.partition(".")[0])
    return _OF_OBJECT.search(value) is not None and (is_api_object(module, spot, kind) or _REQUEST.match(kind) is not None)


def _made_labels(module: Module, spot: Spot, text: str) -> list[str]:
    """Labels in a literal: as they stand, or as the local that holds them was made, here or by a function of the package."""
    local = spot.function.locals.get(text)
    if local is None:
        return [text]
    made = [one.function for one in module.functions.get(local.text, ()) if local.how == "call" and one.package is spot.package]
    return [each.text for function in made for each in function.returns] or [local.text]


def _is_configured(look: Look, spot: Spot, value: str) -> bool:
    """Whether a value is what the program was configured with, whoever calls: the one node it runs on, the caller's own name."""
    root, dot, _ = value.partition(".")
    kind = dict(spot.function.params).get(root, "")
    is_told = _CONFIGURED.match(kind) is not None and not is_api_object(look.module, spot, kind)
    if dot and is_told and not _OF_OBJECT.search(value):
        return True  # config.NodeName
    position = next((at for at, (name, _) in enumerate(spot.function.params) if name == value), None)
    if position is None:
        return False
    given = [(caller, call.texts[position]) for caller, call in calls_of(look.module, spot) if position < len(call.texts)]
    return bool(given) and all(
        ("." in text and is_of_options(look.module, caller, text.rpartition(".")[0])) or _is_own(look, caller, text)
        for caller, text in given
    )


def _is_own(look: Look, spot: Spot, text: str) -> bool:
    """Whether a value is a field of who writes, which lives as long as the process: `r.name`, or `string(r.id)`; or of the process."""
    function, given = spot.function, text
    text = _as_set(spot, given)
    if _OF_PROCESS.match(text):
        return True
    # what a local was set to is one's own where it is a field: a method may answer with anything
    path = r"[.\w()]*" if text == given else r"(?:\.\w+)+\)?"
    if not function.receiver or not re.match(rf"(?:string\()?{re.escape(function.receiver)}\b{path}$", text):
        return False
    return look.lifetimes.of(spot.package, function.receiver_type) == LONG


def _as_set(spot: Spot, text: str) -> str:
    """What a local was set to, once and for all: `node := c.config.NodeName`; other texts as they are."""
    function, local = spot.function, spot.function.locals.get(text)
    is_changed = text in function.ranges or any(reset.place == Place(text) for reset in function.resets)
    return text if local is None or local.how == "type" or is_changed else local.whole or local.text


def _stays(look: Look, symbol: Symbol) -> bool:
    """Whether nothing is seen of a vector's struct being made anew while the program runs: with it, its series go."""
    if not symbol.owner:
        return True
    made = [one for one in look.module.made.get(symbol.owner, ()) if one[0].package.folder == symbol.folder]
    makers = {spot.function.name for spot, _ in made}
    return not any(
        spot.package.folder == symbol.folder
        and _is_made(_as_set(spot, call.texts[-1]), symbol.owner, makers)
        and _is_swap(look.module, spot, call)
        for name in _SWAPS
        for spot, call in look.module.callers.get(name, ())
        if call.texts
    )


def _is_deleted_by_who_gave_it(module: Module, symbol: Symbol) -> bool:
    """Whether a field shares its vector with another one of its name, which one of them was given, and that one is deleted from."""
    if not symbol.owner or symbol.is_captured:
        return False
    others = [one for one in module.releases if one.name == symbol.name and one != symbol and one.folder in module.packages]
    return any(
        METRIC.search(_declared(module, one)) and (_is_given(module, one) or _is_given(module, symbol))
        for one in others
        if releases_while_running(module, one)
    )


def _is_given(module: Module, symbol: Symbol) -> bool:
    """Whether what a literal of the struct puts into the field is a parameter of that name."""
    package = module.packages[symbol.folder]
    return any(
        stored.name == symbol.name
        and stored.place == Place("{}" + symbol.owner, (symbol.name,))
        and any(name == symbol.name for name, _ in function.params)
        for file in package.files
        for function in file.functions
        for stored in function.stored
    )


def _is_made(text: str, owner: str, makers: set[str]) -> bool:
    """Whether a value is a fresh one of a struct: a literal, or what a function gives that makes one."""
    return text.partition("(")[0].rpartition(".")[2] in makers or re.match(rf"&{re.escape(owner)}\b.*\{{", text) is not None


def _is_swap(module: Module, spot: Spot, call: Call) -> bool:
    """Whether an atomic pointer or value gets another value while the program runs: not its first one, and not one at the start."""
    if len(call.texts) != _SWAPS[call.name] or (len(call.texts) > 1 and call.texts[0] == "nil"):
        return False
    place = call.receiver
    if place is not None and place.fields:
        kinds = [kind for symbol in module.symbols(spot, place) if (kind := module.type_of(symbol))]
    else:
        kinds = [kind] if place is not None and (kind := module.type_of_root(spot, place.root)) else []
    if kinds and not any("atomic." in kind for kind in kinds):
        return False
    if any(branch.kind == "if" and _NO_VALUE.search(branch.text) for branch in call.branches):
        return False
    is_set_up = any(_MANAGER.match(kind) for _, kind in spot.function.params)
    return not is_aside(spot.file) and not is_set_up and not runs_at_start(module, spot)


def _is_called(module: Module, spot: Spot) -> bool:
    """Whether a function may run: nobody calls it, but others of its package are called, so that its users are in sight."""
    function = spot.function
    if function.receiver_type or function.name == "(package)" or calls_of(module, spot):
        return True
    others = [Spot(spot.package, file, one) for file in spot.package.files for one in file.functions if not one.receiver_type]
    return not any(caller.package is not spot.package for one in others for caller, _ in calls_of(module, one))


def _is_of_itself(look: Look, spot: Spot, series: Series) -> bool:
    """Whether what is written about is who writes."""
    named = [value for value in series.labels if not _SAID.match(value)]
    return bool(named) and all(_is_own(look, spot, value) for value in named)


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
                naming = [label for label in _labels(module, symbol, variable.value) or () if _is_naming(label)]
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


def _labels(module: Module, symbol: Symbol, declared: str) -> list[str] | None:
    """The labels of a vector, in order; None where they are not said."""
    package = module.packages[symbol.folder]
    found = _LABELS.findall(declared)
    # append(namespaceAndName, "type"): what a variable of the package holds
    for word in re.findall(r"[A-Za-z_]\w*", declared):
        if word != symbol.name and word in package.variables:
            found += _LABELS.findall(package.variables[word].value)[:1]
    return [re.sub(r'^.*\.|["\s]', "", word) for text in found for word in text.split(",") if word.strip()] if found else None


def _is_naming(label: str) -> bool:
    """Whether a label names objects."""
    return _OBJECT.search(label) is not None and not _NO_OBJECT.search(label)


def _declared(module: Module, symbol: Symbol) -> str:
    """The type and the initial value of a metric."""
    package = module.packages.get(symbol.folder)
    if package is None:
        return ""
    variable = package.variables.get(symbol.name) if not symbol.owner else None
    return f"{variable.type_name} {variable.value}" if variable else module.type_of(symbol)


RULE = Rule("A", "series of a metric that outlive their objects", _find)
