"""Whether the code shows that keys are of things that come and go: objects of the cluster, hosts, sessions, texts of errors."""

from __future__ import annotations

import re

from ghostkey.lint.facts import Function
from ghostkey.lint.judgements.bounded import OF_OBJECTS, OF_OPTIONS, is_constant_in
from ghostkey.lint.keyed import key_type
from ghostkey.lint.module import Module, Spot, Symbol
from ghostkey.lint.reach import calls_of

DEPTH = 6  # of locals and callers that are followed from a key
MOST = 60  # expressions that are looked at for one key
CALLERS = 25  # of one function
_COMES = re.compile(
    r"(?:account|addr|address|alloc|allocation|app|application|backend|backup|binding|broker|bucket|cert|certificate|"
    r"claim|cluster|commit|connection|conn|container|deployment|device|digest|disk|dns|domain|email|endpoint|err|"
    r"error|gateway|hash|host|hostname|image|ingress|instance|ip|job|listener|machine|member|message|msg|namespace|"
    r"namespaced|network|node|ns|obj|object|owner|peer|pod|policy|pool|project|pv|pvc|queue|record|replica|repo|repository|"
    r"req|request|revision|rollout|secret|service|session|sha|shard|snapshot|subdomain|subject|subnet|svc|task|"
    r"team|tenant|token|topic|trigger|tunnel|uid|url|user|uuid|vm|vmi|volume|vpc|workload)"
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`')
_PATH = re.compile(r"([A-Za-z_]\w*)((?:\(\))?(?:\.[A-Za-z_]\w*(?:\(\))?)*)(\((?!\)))?")
_ASKED = re.compile(r"\.(?:(?:Name|Namespace|ObjectMeta)(?!\()|Get(?:Name|Namespace)\(\))$")
_KEY_OF = re.compile(r"NamespaceKey|ObjectKey|NamespacedName|KeyFunc|ToName$")
_IS_KEY = re.compile(r"(?:Key|Name|ID|Id)$")
_MADE = re.compile(r"&?[\w.]+\{")
_OF_TYPE = re.compile(r"(?:Info|Ref|Reference|Key|Name|ID|Spec|Event|Args|Params)$")
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
            if is_constant_in(where, text):
                continue
            if _names(text):
                return True
            for name in _IDENTIFIER.findall(_TEXT.sub('""', text)):
                known = (id(where.function), name)
                if known not in seen and len(seen) < MOST:
                    seen.add(known)
                    if _is_handed_a_key(where.function, name) or _is_type_of_them(where.function.declared_type(name)):
                        return True
                    later += _made_of(module, where, name)
        near = later
    return False


def _names(text: str) -> bool:
    """Whether an expression names such a thing: `pod.key`, `c.subnetName`, `x.Name`; of a function's name and of a literal's fields nothing is taken."""
    plain = _TEXT.sub('""', text)
    if _MADE.match(plain):
        return False
    for root, rest, given in _PATH.findall(plain):
        last = (root + rest).rpartition(".")[2].removesuffix("()")
        if given:
            # podKey(x), url(x); what is joined or parsed of other things says nothing
            if _KEY_OF.search(last) or _comes(last) or (_IS_KEY.search(last) and any(map(_comes, _WORD.findall(last)))):
                return True
        elif _comes(root) or any(map(_comes, _WORD.findall(last))) or (_ASKED.search(rest) and not OF_OPTIONS.search(root)):
            return True
    return False


def _is_type_of_them(kind: str) -> bool:
    words = _WORD.findall(_OF_TYPE.sub("", kind.rpartition(".")[2]))
    return OF_OBJECTS.search(kind) is not None or (bool(words) and _comes(words[-1]))


def _comes(word: str) -> bool:
    return _COMES.fullmatch(word.lower()) is not None or _COMES.fullmatch(word.lower().removesuffix("s")) is not None


def _is_handed_a_key(function: Function, name: str) -> bool:
    return _HANDLES.match(function.name) is not None and any(name == given for given, _ in function.params)


def _made_of(module: Module, spot: Spot, name: str) -> list[tuple[Spot, str]]:
    """What a name was set to, runs over, or is given by callers."""
    function = spot.function
    over, local = function.ranges.get(name), function.locals.get(name)
    if over is not None:
        symbols = module.symbols(spot, over.place) if over.place is not None else []
        had = [one for symbol in symbols for one in module.inserts.get(symbol, ())][:CALLERS]
        return [(spot, over.text), *((one.spot, key) for one in had for key in one.insert.place.keys[:1])]
    if local is not None and local.how != "type":
        return [(spot, local.whole or local.text)]
    position = next((at for at, (given, _) in enumerate(function.params) if given == name), None)
    if position is None:
        return []
    calls = calls_of(module, spot)
    given = [(caller, call.texts[position]) for caller, call in calls if position < len(call.texts)]
    return given if len(calls) <= CALLERS else []
