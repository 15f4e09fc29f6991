"""Whether the code shows that keys are of things that come and go: objects of the cluster, hosts, sessions, texts of errors."""

from __future__ import annotations

import re

from ghostkey.lint.facts import Function
from ghostkey.lint.judgements.bounded import OF_OBJECTS, OF_OPTIONS
from ghostkey.lint.keyed import key_type
from ghostkey.lint.module import Module, Spot, Symbol
from ghostkey.lint.reach import calls_of

DEPTH = 6  # of locals and callers that are followed from a key
MOST = 60  # expressions that are looked at for one key
CALLERS = 25  # of one function
_COMES = re.compile(
    r"(?:account|addr|address|agent|alloc|allocation|app|application|backend|backup|binding|broker|bucket|cert|certificate|"
    r"claim|cluster|commit|connection|conn|container|deployment|device|digest|disk|dns|domain|email|endpoint|err|"
    r"error|gateway|hash|host|hostname|image|ingress|instance|ip|job|listener|machine|member|message|msg|namespace|"
    r"namespaced|network|node|ns|obj|object|owner|peer|pod|policy|pool|project|pv|pvc|queue|record|replica|repo|repository|"
    r"req|request|revision|rollout|rule|secret|service|session|sha|shard|snapshot|subdomain|subject|subnet|svc|task|"
    r"team|tenant|token|topic|trigger|tunnel|uid|url|user|uuid|vm|vmi|volume|vpc|workload)"
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`')
_ASKED = re.compile(r"(\w+)[\w.()\[\]]*\.(?:(?:Name|Namespace|ObjectMeta)\b(?!\()|Get(?:Name|Namespace)\(\))")
_IDENTIFIER = re.compile(r"(?<![.\w])[A-Za-z_]\w*\b(?!\()")
# what an informer or a queue runs is given keys of objects, however those are called
_HANDLES = re.compile(r"(?:[Rr]econcile|[Ss]ync(?!Once)|[Hh]andle(?!Func|r)|[Pp]rocess|[Oo]n[A-Z]|[Ee]nqueue)")


def is_of_objects(module: Module, spot: Spot, symbol: Symbol, key: str) -> bool:
    """Whether a key's type, its words, or those of what it is made of name what comes and goes.

    Locals and parameters are followed to what they were set to and to what callers give. False says that nothing is known.
    """
    kind = key_type(module.map_type_of(symbol)).rpartition(".")[2]
    struct = module.packages[symbol.folder].structs.get(kind)
    if OF_OBJECTS.match(kind) or (struct is not None and any(map(_names, struct.fields))):
        return True
    seen: set[tuple[int, str]] = set()
    near = [(spot, key)]
    for _ in range(DEPTH):
        later: list[tuple[Spot, str]] = []
        for where, text in near:
            if _names(text):
                return True
            for name in _IDENTIFIER.findall(_TEXT.sub('""', text)):
                known = (id(where.function), name)
                if known not in seen and len(seen) < MOST:
                    seen.add(known)
                    if _is_handed_a_key(where.function, name):
                        return True
                    later += _made_of(module, where, name)
        near = later
    return False


def _names(text: str) -> bool:
    plain = _TEXT.sub('""', text)
    if any(_COMES.fullmatch(word.lower().removesuffix("s")) or _COMES.fullmatch(word.lower()) for word in _WORD.findall(plain)):
        return True
    return any(not OF_OPTIONS.search(found[1]) for found in _ASKED.finditer(plain))


def _is_handed_a_key(function: Function, name: str) -> bool:
    return _HANDLES.match(function.name) is not None and any(name == given for given, _ in function.params)


def _made_of(module: Module, spot: Spot, name: str) -> list[tuple[Spot, str]]:
    """What a name was set to, runs over, or is given by callers; of a parameter also its type."""
    function = spot.function
    over, local = function.ranges.get(name), function.locals.get(name)
    if over is not None:
        symbols = module.symbols(spot, over.place) if over.place is not None else []
        had = [one for symbol in symbols for one in module.inserts.get(symbol, ())][:CALLERS]
        return [(spot, over.text), *((one.spot, key) for one in had for key in one.insert.place.keys[:1])]
    if local is not None:
        return [(spot, local.whole or local.text)]
    position = next((at for at, (given, _) in enumerate(function.params) if given == name), None)
    if position is None:
        return []
    calls = calls_of(module, spot)
    given = [(caller, call.texts[position]) for caller, call in calls if position < len(call.texts)]
    return [(spot, function.params[position][1]), *(given if len(calls) <= CALLERS else [])]
