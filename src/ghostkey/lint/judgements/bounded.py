"""Whether the keys of a map can run out: constants, kinds, options. A map of those does not grow for months."""

from __future__ import annotations

import re

from ghostkey.lint.expressions import parts
from ghostkey.lint.facts import FileFacts, Place
from ghostkey.lint.judgements.startup import registers, runs_at_start
from ghostkey.lint.keyed import key_type, value_type
from ghostkey.lint.module import Module, Package, Spot, Symbol
from ghostkey.lint.reach import calls_of
from ghostkey.lint.syntax import base_type

DEPTH = 2  # callers of callers that are asked for a key
_TYPE = re.compile(
    r"^(?:bool|reflect\.Type|(?:\w+\.)?(?:GroupVersionKind|GroupVersionResource|GroupKind|GroupVersion|GroupResource|ResourceName|"
    r"Operation|GVK|GVR)|metav1\.(?:Group\w+|DeletionPropagation)|(?:\w+\.)?(?!\w*I[Dd]Type)\w*(?:Kind|Type|Phase|State|Op|Mode|Level|Reason|Status|Verb|Feature)|v1\.ResourceName|"
    r"corev1\.ResourceName|byte|u?int8)$"
)
_CONSTANT = re.compile(r"^(?:\"(?:[^\"\\]|\\.)*\"$|`[^`]*`$|\d+$|'|reflect\.TypeOf|nil$|true$|false$)|%T")
_NAME = re.compile(
    r"^(?:gr|action|actionName|gvk|gvr|gk|typ|type|t|scheme|verb|op|operation|phase|level|feature|feat|featureGate|method|"
    r"plugin|pluginName|driver|driverName|driverType|provider|providerName|providerType|ext|path|route|pattern|version|"
    r"group|\w*kind|\w*type|framework|cmd|flag|flagName|opt|column|lang|locale|"
    r"metricName|reason|type_?url|(?:gv[kr]|groupKind)\w*|\w*(?:gv[kr]|GV[KR])\w*|header|source|sourceName|availabilityZone|az|region|regionName|arch|platform|subsystem|family|ipFamily|contentType|mediaType|proto|protocol|severity|weight|priority)$",
    re.IGNORECASE,
)
_IS_NAME = re.compile(r"Name$|UID")
_CONVERTED = re.compile(r"^string\(([\w.]+)\)$")
_CUT = re.compile(r"strings\.\w+\((.*)\)$", re.DOTALL)
_ANSWER = re.compile(r"(\w+)\.\w+\(\)$")  # eventType.Key()
_COUNTED = re.compile(r"(?:u?int(?:32|64)?\()?[a-z]\)?")  # what a loop counts: `i`, `uint32(i)`
_LITERAL = re.compile(r"(?:\[\]|map\[|\[\.\.\.)[^{]*\{\s*[^\s}]")
_OF_PACKAGE = re.compile(r"^(\w+)\.([A-Z]\w*)$")
# types that kinds, sources and drivers are never named by, whatever a variable of one is called
OF_OBJECTS = re.compile(r"(?:\w*UID|NamespacedName|ObjectKey|ObjectName|Addr|AddrPort|Prefix|Request)$")
_BASIC = frozenset(["string", "int", "int32", "int64", "uint", "uint32", "uint64", "rune", "float64", "any"])
OF_OPTIONS = re.compile(r"(?i)(?:flags|options|opts|config|cfg|args|registered|factories|providers|plugins)\b")
_PATH = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*")
_API = re.compile(r"(?:^|/)apis?/(?!config/)")  # below apis/config is what programs are configured with
_OF_RESOURCES = re.compile(  # gvr.Resource, range m.dynamicGVRs
    r"(?:\w+\.)*\w*(?:gv[rk]|GV[RK])s?(?:\.(?:Resource|Kind|Group\w*|Version|String)(?:\(\))?)?"
)
TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`')
_OF_KINDS = ("%T", "reflect.TypeOf", "GroupVersionKind()", "GVKForObject")


def is_api_object(module: Module, spot: Spot, kind: str) -> bool:
    """Whether a type, as it is written where something stands, is of objects of the API, whatever it is called: `v1.TenantConfig`."""
    qualifier, dot, name = base_type(kind).rpartition(".")
    path = spot.file.imports.get(qualifier, "")
    package = module.imported(path) if dot and path else spot.package
    struct = package.structs.get(name) if package is not None else None
    is_one = struct is not None and any(one.rpartition(".")[2] == "ObjectMeta" for one in struct.embedded)
    return is_one or (bool(dot) and _API.search(path) is not None)


def is_of_options(module: Module, spot: Spot, text: str) -> bool:
    """Whether an expression names options or a configuration, and not an object of the API, or a way to a cluster, that is called so."""
    return any(
        OF_OPTIONS.search(path) is not None and not kind.endswith("rest.Config") and not is_api_object(module, spot, kind)
        for path in _PATH.findall(text)
        for kind in [module.type_of_root(spot, path.partition(".")[0])]
    )


def is_constant(key: str, file: FileFacts, constants: dict[str, str]) -> bool:
    """Whether an expression is a literal, a constant, or what another package declares; also where it is converted to text."""
    key = _CONVERTED.sub(r"\1", key)
    if _CONSTANT.search(key) or key in constants:
        return True
    found = _OF_PACKAGE.match(key)
    return found is not None and found[1] in file.imports


def is_constant_in(spot: Spot, key: str) -> bool:
    """The same where an expression stands: a parameter or local may be called as a package is (`diff.Hash`)."""
    function, root = spot.function, _CONVERTED.sub(r"\1", key).partition(".")[0]
    is_local = root in function.locals or root in function.ranges or any(root == name for name, _ in function.params)
    variable = spot.package.variables.get(key)
    is_text = variable is not None and TEXT.fullmatch(variable.value) is not None  # var CertKey = "tls.crt"
    return not is_local and (is_text or is_constant(key, spot.file, spot.package.constants))


def is_of_table(spot: Spot, key: str) -> bool:
    """Whether a key is what a loop over a table gives, which the package has as a variable or the function as a literal."""
    function, constants = spot.function, spot.package.constants
    over = function.ranges.get(key) or function.ranges.get(key.partition(".")[0])
    if over is None:
        return False
    if over.text in spot.package.variables or _is_table(over.text, spot.file, constants):
        return True
    return over.text in function.locals and _is_table(function.locals[over.text].text, spot.file, constants)


def is_answer_of_few(module: Module, spot: Spot, key: str) -> bool:
    """Whether a key is what a method gives of a value of which there are few: of a kind that has constants, or out of a table."""
    local = spot.function.locals.get(key)
    found = _ANSWER.match(local.whole if local is not None and local.how == "call" else key)
    if found is None:
        return False
    kind = spot.function.declared_type(found[1])
    package, name = declared_in(module, spot.package, kind)
    return is_of_table(spot, found[1]) or (name in package.enumerations and kind not in _BASIC)


def is_bounded(
    module: Module, spot: Spot, symbol: Symbol, key: str, depth: int = 0, seen: frozenset[Symbol] = frozenset()
) -> bool:
    """Whether only so many keys can come, as the key's type, expression or origin tells.

    `depth` 1 asks for the keys of the inner maps, and so on. `seen` are the maps that were asked for before this one.
    """
    package, function, file = spot.package, spot.function, spot.file
    kind = module.map_type_of(symbol)
    for _ in range(depth):
        kind = value_type(kind)
        kind = package.types.get(kind.lstrip("*"), kind)
    of, name = declared_in(module, module.packages[symbol.folder], key_type(kind))
    if _is_bounded_type(of, name, key_type(kind), key) or is_constant_in(spot, key):
        return True
    word = re.sub(r"\.String\(\)$", "", key).rpartition(".")[2]
    if _is_by_word(of, name) and _NAME.match(word):
        return True
    if key.endswith("GroupVersion()") or any(name == key and _TYPE.match(kind) for name, kind in function.params):
        return True
    if _OF_RESOURCES.fullmatch(key):
        return True
    local = function.locals.get(key)
    if is_answer_of_few(module, spot, key):
        return True
    if local is not None and TEXT.fullmatch(local.text):
        return True  # key := "http"
    if local is not None and any(word in local.whole for word in _OF_KINDS):
        return True
    over = function.ranges.get(key) or function.ranges.get(key.partition(".")[0])
    if over is not None:
        found = _OF_PACKAGE.match(over.text)
        is_variable = over.place is not None and not over.place.fields and over.place.root in package.variables
        grows = (
            is_variable and over.place is not None and any(module.inserts.get(one) for one in module.symbols(spot, over.place))
        )
        if (found and found[1] in file.imports) or (is_of_table(spot, key) and not grows):
            return True
        if _OF_RESOURCES.fullmatch(over.text):
            return True
        if key in function.ranges and is_of_options(module, spot, over.text):
            return True
        is_variable = over.place is not None and not over.place.fields and over.place.root in package.variables
        if (
            is_variable
            and over.place is not None
            and key in function.ranges
            and _has_bounded_keys(module, spot, over.place, seen | {symbol})
        ):
            return True
        if over.place is not None and over.place.root == function.receiver:
            if _is_as_made(module, spot, over.place):
                return True
            if key in function.ranges and _has_bounded_keys(module, spot, over.place, seen | {symbol}):
                return True
    return is_constant_of_callers(module, spot, key, of=symbol.name)


def _is_table(text: str, file: FileFacts, constants: dict[str, str]) -> bool:
    """Whether an expression is a literal of what the code names: `[]string{"a", "b"}`, and not `[]string{pod.Name}`."""
    if _LITERAL.match(text) is None:
        return False
    inside = text[text.index("{") + 1 :].strip().removesuffix("}")
    if "{" in inside:
        return True  # a row for each case that the code has
    items = [item.partition(":")[0].strip() for item in inside.split(",")]
    return all(is_constant(item, file, constants) or item.isidentifier() for item in items if item)


def _is_as_made(module: Module, spot: Spot, place: Place) -> bool:
    """Whether a field of the receiver has what it was made with, for as long as it lives: no code gives it other values."""
    if (
        len(place.fields) != 1
        or not module.symbols(spot, place)
        or any(module.inserts.get(s) for s in module.symbols(spot, place))
    ):
        return False
    changed = (reset for facts in spot.package.files for function in facts.functions for reset in function.resets)
    return not any(reset.place.fields[-1:] == place.fields for reset in changed)


def _has_bounded_keys(module: Module, spot: Spot, place: Place, seen: frozenset[Symbol]) -> bool:
    """Whether a map of the receiver gets only so many keys itself, so that a loop over it has no more."""
    inserts = [(symbol, one) for symbol in module.symbols(spot, place) for one in module.inserts.get(symbol, ())]
    return bool(inserts) and all(
        symbol not in seen
        and module.is_keyed(symbol)
        and bool(one.insert.place.keys)
        and (
            is_bounded(module, one.spot, symbol, one.insert.place.keys[0], seen=seen)
            or (not symbol.owner and registers(one.spot.function.name))
            or (not symbol.owner and runs_at_start(module, one.spot))
        )
        for symbol, one in inserts
    )


def declared_in(module: Module, package: Package, kind: str) -> tuple[Package, str]:
    """Where a type that a package names is declared, as far as the tree has it, and its name there."""
    qualifier, dot, name = kind.lstrip("*").rpartition(".")
    if not dot:
        return package, name
    paths = {path for file in package.files if (path := file.imports.get(qualifier))}
    found = [other for path in sorted(paths) if (other := module.imported(path)) is not None]
    return (found[0] if found else Package("")), name


def _is_by_word(package: Package, name: str) -> bool:
    """Whether keys may be words: of a struct, or of a type that names objects, the variable's name says nothing."""
    return name not in package.structs and OF_OBJECTS.match(name) is None


def _is_bounded_type(package: Package, name: str, kind: str, key: str) -> bool:
    if not kind:
        return False
    struct = package.structs.get(name)
    if struct is not None and struct.fields:  # whatever it is called
        return all(_TYPE.match(of) for of, _ in struct.fields.values())
    is_listed = name in package.enumerations and kind not in _BASIC
    # those of Kubernetes are few; a text of this tree's own that is called a name, and of which no code has a value, is one of anything
    is_open = _IS_NAME.search(name) is not None and package.types.get(name) == "string"
    if is_listed or (_TYPE.match(kind) and not is_open):
        return True
    return kind in {"int", "int32", "int64", "uint32", "uint64"} and _COUNTED.fullmatch(key) is not None


def is_constant_of_callers(module: Module, spot: Spot, key: str, depth: int = 0, *, of: str = "") -> bool:
    """Whether the key is a parameter for which every caller gives a constant, of which there may be many, or its own such one.

    Also what a loop takes from a parameter, for which every caller gives a literal with constants. Callers that give what the map
    `of` that name has already say nothing.
    """
    over = spot.function.ranges.get(key)
    key = over.text if over is not None else key
    position = next((at for at, (name, _) in enumerate(spot.function.params) if name == key), None)
    calls = calls_of(module, spot) if position is not None and depth <= DEPTH else []
    given = [(caller, call.texts[position]) for caller, call in calls if position is not None and position < len(call.texts)]
    had = [one for one in given if of and _is_key_of(*one, of)]
    given = [one for one in given if one not in had]
    return len(given) == len(calls) - len(had) > 0 and all(
        _is_table(text, caller.file, caller.package.constants)
        if over is not None
        else is_constant_in(caller, text)
        or _is_of_words(caller, text)
        or is_constant_of_callers(module, caller, text, depth + 1, of=of)
        for caller, text in given
    )


def _is_of_words(spot: Spot, name: str) -> bool:
    """Whether a local is cut out of what is a kind or source by its name, and of constants: `strings.TrimPrefix(string(eventType), prefix)`."""
    local = spot.function.locals.get(name)
    found = _CUT.match(local.whole) if local is not None else None
    given = parts(found[1], ",") if found else None
    return bool(given) and all(is_constant_in(spot, one) or _NAME.match(_CONVERTED.sub(r"\1", one)) for one in given or ())


def _is_key_of(caller: Spot, text: str, name: str) -> bool:
    """Whether an expression is what a loop over a field of that name gives."""
    over = caller.function.ranges.get(text)
    return over is not None and over.place is not None and over.place.fields[-1:] == (name,)
