"""Why what weighs enough is no proof all the same: tables that people keep for what lives, and for a few things that never did.

Each is a sentence, and what it is about stays a suspect. The evidence is counted over many clusters; these hold in each.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping
from typing import Protocol

from ghostkey.inference.evidence import Case, names_its_kind
from ghostkey.inference.machines import is_machine_made
from ghostkey.inference.shares import WORKLOADS
from ghostkey.inference.style import FILE_ENDINGS, is_setting, is_telling
from ghostkey.model.managers import is_of_apps, is_of_people
from ghostkey.model.refs import NAMESPACES

SAMPLE = 300  # names that are looked at
WHOLE = 0.9  # of the keys with a live object are of one kind, where it is the kind that the map is about
# live objects, and the share of the keys that they are: below both a map may be a table that somebody keeps; where the others may
# be words that people choose, a few more tell as little
FEW, FEW_WORDS, FEW_OF_CONTROLLER, MOSTLY = 4, 6, 3, 0.7
HALF = 0.5  # of the workloads have a key, before a table that has their namespaces is taken for more than a selection; or of the keys
ADDRESSES, PAIRS = 5, 8  # of live workloads, before they are an address book, and more than what somebody thought of
# live namespaces with a key, and the share without that a program leaves out: what came just now
MANY_NAMESPACES, FORGOTTEN = 8, 0.15
LEFT_OUT, DIGEST = 3, 12  # of Kubernetes' own namespaces; bytes of an identifier that each has
TEXTS = frozenset({"boolean", "decided", "list", "path", "pem", "phrase", "text", "word"})
TOGGLES = frozenset(
    {"active", "allow", "allowed", "disable", "disabled", "enable", "enabled", "feature", "flag", "toggle", "use"}
)
WRITTEN = frozenset({"css", "html", "js", "lua", "md", "py", "rego", "sh", "sql", "svg", "tmpl", "tpl"})
# fields of records that people keep
PEOPLES = frozenset(
    """address comment contact contract cost costcenter customer description email emails env environment image location mail manager
    notes os owner ownedby owners oncall phone price purpose rack reason region room rps seats serial slack team teams tier
    vendor""".split()  # noqa: SIM905
)
# and what they grant: usage has the same fields, but that of Kubernetes' own namespaces, too
GRANTED = PEOPLES | {"burst", "cpu", "limits", "mem", "memory", "pods", "replicas", "requests", "storage"}
_WORDS = re.compile(r"[a-z]+")


class Doubt(Protocol):
    """Looks at the case of the kind that weighs most, and at the live keys of all kinds."""

    def __call__(self, case: Case, live: Mapping[int, Collection[str]]) -> str:
        """The sentence; empty when this says nothing."""
        ...


def doubt_of(case: Case, live: Mapping[int, Collection[str]]) -> str:
    """The first doubt that holds; `live` has what the template makes of the live objects of each kind (its number)."""
    return next(filter(None, (doubt(case, live) for doubt in DOUBTS)), "")


def of_several_workloads(case: Case, live: Mapping[int, Collection[str]]) -> str:
    """Some keys have a Deployment, others a Service: they are about what makes these, which the dump may not hold."""
    if case.kind.kind in WORKLOADS and len(case.live) < WHOLE * len(set().union(*live.values())):
        return "workloads of several kinds have a key: it may be about what made them"
    return ""


def of_some_workloads(case: Case, live: Mapping[int, Collection[str]]) -> str:
    """People list apps by name, and policies name some with their namespace, and others that are none: `ci_runner`, `cdc-events`."""
    if case.kind.kind not in WORKLOADS or case.is_of_controller or case.sort == "own":
        return ""
    named = names_its_kind.look(case)
    if named is not None and "key" in named.parts:
        is_address = "svc" in _WORDS.findall(case.template.suffix)  # which people write, too
        return f"only {len(case.live)} addresses tell" if is_address and len(case.live) < ADDRESSES else ""
    if case.template.order == "name" or case.keyed < HALF or len(case.live) < PAIRS:
        return f"{case.kind.resource} are called as people call apps, and nothing shows that a program wrote these keys"
    return ""


def of_some_namespaces(case: Case, live: Mapping[int, Collection[str]]) -> str:
    """Budgets and quotas name the namespaces that somebody thought of, and some that are planned; a program forgets hardly one."""
    if case.kind != NAMESPACES or case.template.order != "name" or case.is_of_controller:
        return ""
    # the namespace that the program itself runs in is nobody it works for
    forgotten = case.near - len(case.live) - any(seen.holder.namespace not in case.live_names for seen in case.maps)
    if forgotten <= (FORGOTTEN * case.near if len(case.live) >= MANY_NAMESPACES else 0):
        return ""
    return f"{forgotten:,} live namespaces have no key, besides those of Kubernetes: people keep tables of some, and of what is planned"


def of_peoples_namespaces(case: Case, live: Mapping[int, Collection[str]]) -> str:
    """A table of all namespaces that people made, with teams and networks: whoever keeps it adds what is no namespace."""
    if case.kind != NAMESPACES or case.template.order != "name" or case.is_of_controller or case.left_out < LEFT_OUT:
        return ""
    is_identifier = case.live_values == {"word"} and case.same_size >= DIGEST
    if is_identifier or not all(value in TEXTS or _is_of_people(value, GRANTED) for value in case.live_values):
        return ""  # a number, an identifier or a record that a program gave to each
    return f"{case.left_out} namespaces of Kubernetes' own have no key, and the values are words: people keep such tables of what is theirs"


def of_few(case: Case, live: Mapping[int, Collection[str]]) -> str:
    """Three live ones and two that never were: a table of prices has lines for what may be bought, and for what others have."""
    template = case.template
    is_file = template.suffix.rpartition(".")[2] in FILE_ENDINGS and not (template.prefix or template.is_open)
    is_plain = template.is_plain_name and template.is_exact and not template.codec
    named = names_its_kind.look(case)
    records = [set(value[5:].split(",")) for value in case.live_values if value.startswith("json:")]
    # records tell, but for those of which people fill in the fields
    is_record = any(len(fields) > 1 and PEOPLES.isdisjoint(map(str.lower, fields)) for fields in records)
    # a program fills tables, too: two names are as many as chance gives, or three beside more of others
    is_kept = case.is_of_controller and len(case.live) >= FEW_OF_CONTROLLER and case.explained >= HALF
    is_told = (
        case.with_uid
        or case.with_name
        or (is_record and not is_file)
        or all(map(is_machine_made, case.gone_names))  # nobody types `build-x7k2p` into a table
        or is_kept
        or (named is not None and "key" in named.parts)
    )
    # the others may be words that people choose
    few = FEW if all(map(is_telling, case.gone_names)) else FEW_WORDS
    if case.sort in {"own", "like others"} and len(case.live) < few and case.explained < MOSTLY and is_plain and not is_told:
        return f"only {len(case.live)} live {case.kind.resource} tell: people keep tables of as few, with lines for others"
    return ""


def of_variables(case: Case, live: Mapping[int, Collection[str]]) -> str:
    """`ORDERS_DB_URL`, or any such key that a Pod takes with all others: what a program reads from its environment, and people write."""
    around = f"{case.template.prefix} {case.template.suffix}"
    if (
        case.template.transform in {"upper", "upper_"}
        and (around.strip() or (case.is_mounted and not any(seen.path for seen in case.maps)))
        and not case.is_of_controller
        and not case.with_uid  # which nobody types
        and is_setting(around.lower())
    ):
        return "the keys are variables of an environment"
    return ""


def of_what_people_decide(case: Case, live: Mapping[int, Collection[str]]) -> str:
    """Addresses of mail, prices, schedules, sentences, owners: somebody thought of what the keys are about, and of other things."""
    if case.is_of_controller or case.with_uid or not case.live_values:
        return ""
    if all(map(_is_of_people, case.live_values)):
        return "their values are what people decide: an address, a price, a time, a schedule, a sentence, an owner"
    return ""


def _is_of_people(value: str, known: Collection[str] = PEOPLES) -> bool:
    """Whether a value (its shape) is what people decide, or a record of which they fill in half of the fields."""
    fields = value[5:].split(",") if value.startswith("json:") else []
    return value == "decided" or (bool(fields) and 2 * sum(field.lower() in known for field in fields) >= len(fields))


def of_toggles(case: Case, live: Mapping[int, Collection[str]]) -> str:
    """`cart-enabled: true`: switches are called after what they turn on, which need not be an object."""
    around = set(_WORDS.findall(f"{case.template.prefix} {case.template.suffix}".lower()))
    if case.live_values == {"boolean"} and not around.isdisjoint(TOGGLES) and not case.is_of_controller:
        return "the keys are switches"
    return ""


def of_what_people_write(case: Case, live: Mapping[int, Collection[str]]) -> str:
    """`cart.md`, `cart.svg`: pages, pictures and scripts are written by people, for whatever they like."""
    if case.template.suffix.rpartition(".")[2] in WRITTEN and not case.is_of_controller:
        return f"people write such files: {case.template}"
    return ""


def of_apps(case: Case, live: Mapping[int, Collection[str]]) -> str:
    """A HelmRelease or a ServiceMonitor for each app: people's dashboards of apps have its name as well."""
    if case.template.order == "name" and is_of_apps(case.kind):
        return f"{case.kind.resource} are called as people call apps, and other things are called so, too"
    return ""


def of_settings(case: Case, live: Mapping[int, Collection[str]]) -> str:
    """`cart.cache.limit`: settings begin with a word as well."""
    if case.template.is_open and not any(map(is_telling, itertools.islice(case.live, SAMPLE))):
        return "the names are words, with any text beside them: settings are called so, too"
    return ""


def of_people(case: Case, live: Mapping[int, Collection[str]]) -> str:
    """A person's tool, or a manifest's, wrote every key: whoever wrote them may have meant what was never an object."""
    written = [seen.meta.writers for seen in case.maps if seen.meta is not None and seen.meta.writers]
    if written and all(is_of_people(writer) for writers in written for writer in writers):
        return f"managedFields: all keys were written with {written[0][0]}, by a person or from a manifest"
    return ""


def of_what_is_immutable(case: Case, live: Mapping[int, Collection[str]]) -> str:
    """A program that adds a key for each object cannot keep them in an immutable map."""
    if case.maps and all(seen.meta is not None and seen.meta.immutable for seen in case.maps):
        return "the map is immutable: all of its keys were written at once, and nobody could remove one"
    return ""


DOUBTS: tuple[Doubt, ...] = (
    of_several_workloads,
    of_some_workloads,
    of_some_namespaces,
    of_peoples_namespaces,
    of_few,
    of_variables,
    of_apps,
    of_what_people_decide,
    of_toggles,
    of_what_people_write,
    of_settings,
    of_people,
    of_what_is_immutable,
)
