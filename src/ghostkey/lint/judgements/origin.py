"""Whether the code shows that keys are of things that come and go: objects of the cluster, hosts, sessions, texts of errors."""

from __future__ import annotations

import re

from ghostkey.lint.expressions import parts
from ghostkey.lint.facts import Function
from ghostkey.lint.judgements.bounded import OF_OBJECTS, OF_OPTIONS, TEXT, is_constant_in, is_of_options
from ghostkey.lint.keyed import key_type
from ghostkey.lint.made_keys import with_locals
from ghostkey.lint.module import Module, Spot, Symbol
from ghostkey.lint.reach import callees, calls_of

DEPTH = 6  # of locals and callers that are followed from a key
HELPERS = 3  # functions that ask another one for the key
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
_PATH = re.compile(r"([A-Za-z_]\w*)((?:\(\))?(?:\.[A-Za-z_]\w*(?:\(\))?)*)(\((?!\)))?")
_ASKED = re.compile(r"\.(?:(?:Name|Namespace|ObjectMeta)(?!\()|Get(?:Name|Namespace)\(\))$")
_KEY_OF = re.compile(r"NamespaceKey|ObjectKey|NamespacedName|KeyFunc|ToName$")
_IS_KEY = re.compile(r"(?:Key|Name|ID|Id)$")
_MADE = re.compile(r"&?([\w.]+)\{")
_CALL = re.compile(r"(?<!\w)((?:[A-Za-z_]\w*\.)*)([A-Za-z_]\w*)\(")
_IS_TOOL = re.compile(r"(?:context\.Context|[lL]ogger|[cC]lient|Interface|error|bool)$")  # what a handler works with
_IS_NO_KEY = re.compile(r"(?:\w+ )?(?:error|bool|func\b.*|\*.*)$")
_WHOSE = re.compile(r"(?:Namespace|UID)(?:\(\))?(?![\w(])")  # what tells objects apart; a mere Name() has every part of a program
_GIVEN_OUT = re.compile(r"(?i:queue)\w*(?:\(\))?\.Get(?:WithPriority)?\(\)$")  # a key that a queue gives its worker
_OF_TYPE = re.compile(r"(?:Info|Ref|Reference|Key|Name|ID|Spec|Event|Args|Params)$")
# podType, policyCounts: what is said of things, of which there are few
_OF_FEW = re.compile(
    r"(?:[a-z](?:Types?|Kinds?|Counts?|Totals?|Phases?|Modes?|Levels?|Templates?)|_(?:type|kind|count|total|phase|mode|level)s?)$"
)
_OF_CONFIGURATION = re.compile(r"(?i)(?:config|cfg|options|opts|flags)$")  # the Host of a config comes and goes with that
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
            if _shows(module, where, text) or _is_of_helper(module, where, text):
                return True
            for name in _IDENTIFIER.findall(TEXT.sub('""', text)):
                known = (id(where.function), name)
                if known not in seen and len(seen) < MOST:
                    seen.add(known)
                    if _is_handed_a_key(where.function, name) or _is_type_of_them(where.function.declared_type(name)):
                        return True
                    later += _made_of(module, where, name)
        near = later
    return False


def _shows(module: Module, spot: Spot, text: str) -> bool:
    """Whether an expression is of such a thing by itself: by its words, its type, or what its name is asked of (`config.Name`)."""
    return (
        _names(text)
        or _is_literal_of_them(module, spot, text)
        or any(
            not given and _is_asked_of_options(root, rest) and not is_of_options(module, spot, f"{root}{rest}".rpartition(".")[0])
            for root, rest, given in _PATH.findall(TEXT.sub('""', text))
        )
    )


def _is_asked_of_options(root: str, rest: str) -> bool:
    """Whether such a thing's name is asked of what is called as a configuration is."""
    owner, _, last = f"{root}{rest}".removesuffix("()").rpartition(".")
    if _ASKED.search(rest) and OF_OPTIONS.search(root):
        return True
    return _OF_CONFIGURATION.search(owner) is not None and not _OF_FEW.search(last) and _has_one(last)


def _names(text: str) -> bool:
    """Whether an expression names such a thing: `pod.key`, `c.subnetName`, `x.Name`; of a function's name and of a literal's fields nothing is taken."""
    plain = TEXT.sub('""', text)
    if _MADE.match(plain):
        return False
    if _GIVEN_OUT.search(plain):
        return True
    for root, rest, given in _PATH.findall(plain):
        owner, _, last = (root + rest).removesuffix("()").rpartition(".")
        if _OF_FEW.search(last):
            continue
        if given:
            # podKey(x), url(x); what is joined or parsed of other things says nothing
            if _KEY_OF.search(last) or _comes(last) or (_IS_KEY.search(last) and _has_one(last)):
                return True
            continue
        is_configured = _OF_CONFIGURATION.search(owner) is not None
        if _comes(root) or (_ASKED.search(rest) and not OF_OPTIONS.search(root)) or (not is_configured and _has_one(last)):
            return True
    return False


def _is_literal_of_them(module: Module, spot: Spot, text: str) -> bool:
    """Whether a literal is of a type that names objects, with a part that varies: `types.NamespacedName{Namespace: ns, Name: t.Name}`."""
    found = _MADE.match(text)
    if found is None or OF_OBJECTS.match(found[1].rpartition(".")[2]) is None:
        return False
    inside = text[found.end() :].rpartition("}")[0] or text[found.end() :]  # long ones are cut
    receiver = spot.function.receiver
    for part in parts(inside, ",") or inside.split(","):
        value = re.sub(r"^\w+:\s*", "", part)
        if _MADE.match(value):
            if _is_literal_of_them(module, spot, value):
                return True
        elif value and not (
            is_constant_in(spot, value)
            or value in spot.package.variables
            or (receiver and re.fullmatch(rf"{receiver}(?:\.\w+)+", value))  # of the one who keeps the map
            or is_of_options(module, spot, value.rpartition(".")[0])
        ):
            return True
    return False


def _is_of_helper(module: Module, spot: Spot, text: str, depth: int = 0) -> bool:
    """Whether a function of this tree that is called there gives what names such a thing: `keyFor(w)` with `return w.Namespace + w.Name`."""
    plain = TEXT.sub('""', text)
    return depth < HELPERS and any(
        _gives_one(module, one, is_given=not plain[found.end() :].lstrip().startswith(")"), depth=depth)
        for found in _CALL.finditer(plain)
        for one in _helpers(module, spot, found[1].rstrip("."), found[2])
    )


def _helpers(module: Module, spot: Spot, qualifier: str, name: str) -> list[Spot]:
    """The functions that a call in a key may mean."""
    if qualifier in spot.file.imports:
        package = module.imported(spot.file.imports[qualifier])
        return [one for one in module.functions.get(name, ()) if one.package is package and not one.function.receiver_type]
    call = next((one for one in spot.function.calls if (one.name, one.qualifier) == (name, qualifier)), None)
    return callees(module, spot, call) if call is not None else []


def _gives_one(module: Module, helper: Spot, *, is_given: bool, depth: int) -> bool:
    """Whether a helper returns the name of what it is given; of what it is asked of, only what tells objects apart counts."""
    function = helper.function
    kinds = parts(function.result.removeprefix("(").removesuffix(")"), ",") or []
    for one in function.returns:
        if any(branch.kind == "func" for branch in one.branches):
            continue  # of a literal in it
        values = parts(one.text.removeprefix("return").strip(), ",") or []
        for kind, value in zip(kinds, values, strict=False):
            made = with_locals(helper, TEXT.sub('""', value))
            own = re.compile(rf"(?<![.\w]){re.escape(function.receiver)}(?:\.\w+)+(?![\w(.])")
            if is_given and function.receiver:
                made = own.sub('""', made)
            if _IS_NO_KEY.match(kind) or is_constant_in(helper, value) or not (is_given or _WHOSE.search(made)):
                continue
            if _shows(module, helper, made) or _is_of_helper(module, helper, made, depth + 1):
                return True
    return False


def _is_type_of_them(kind: str) -> bool:
    words = _WORD.findall(_OF_TYPE.sub("", kind.rpartition(".")[2]))
    return OF_OBJECTS.search(kind) is not None or (bool(words) and _comes(words[-1]))


def _has_one(name: str) -> bool:
    return any(map(_comes, _WORD.findall(name)))


def _comes(word: str) -> bool:
    return _COMES.fullmatch(word.lower()) is not None or _COMES.fullmatch(word.lower().removesuffix("s")) is not None


def _is_handed_a_key(function: Function, name: str) -> bool:
    kind = next((kind for given, kind in function.params if given == name), None)
    return _HANDLES.match(function.name) is not None and kind is not None and _IS_TOOL.search(kind) is None


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
