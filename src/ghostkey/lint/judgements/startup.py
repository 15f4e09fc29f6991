"""Whether a function runs when the program starts, and then never again: what it inserts is bounded by the code."""

from __future__ import annotations

import re

from ghostkey.lint.facts import Branches, Call, Function
from ghostkey.lint.judgements.code import is_aside
from ghostkey.lint.module import HELPERS_ALIKE, Module, Package, ReleaseAt, Spot, Symbol
from ghostkey.lint.reach import RECONCILES, calls_of, handed_over
from ghostkey.lint.syntax import simple_type

CALLERS = 25  # with more of them it is no part of starting
DEPTH = 3
_AT_START = re.compile(
    r"^(?:New|new|With|Setup|setup|MustRegister|Init|init[A-Z]|Register|register|Install|Complete|ParseFlags|AddFlags|BindFlags|"
    r"ApplyTo$)"
)
_STARTS = re.compile(r"\w*Init$")  # of what is given to it nothing is known: `podInit(pod)`
_MAKES = re.compile(r"[Nn]ew[A-Z]")
_BEGINS = re.compile(r"^(?:[Rr]un|[Ss]tart)$")
_LATER = re.compile(
    r"(?i)reconcile|^on[A-Z]|handle|sync|update|process|serve|observe|record|delete|remove|poll|loop|refresh|resync|collect|"
    r"schedule|watch|callback|list|get|ensure|enqueue"
)
# what an informer, a queue or a timer runs, as its name begins
_AGAIN = re.compile(
    r"(?:[Rr]econcile|[Ss]ync(?!Once)|[Hh]andle(?!Func|r)|[Pp]rocess|[Oo]n[A-Z]|[Uu]pdate|[Dd]elete|[Ee]nsure|[Rr]etry)"
)
_REQUEST = re.compile(r"^\*?(?:\w+\.)?\w*Request$|ResponseWriter$")
_MESSAGE = re.compile(r"\*\w+\.\w+$")
_ANSWER = re.compile(r"\(\*\w+(?:\.\w+)+, error\)")
_ONCE = re.compile(r"[oO]nce$")
_RUNS_AGAIN = re.compile(r"\w*[a-z]Reconcile$")  # `nodePoolReconcile`
_SERVES = re.compile(r"(?:[Rr]egister|[Ii]nstall|[Ii]nit)(?:$|[A-Z])")
_UNTIL = re.compile(r"context\.Context$|chan struct\{\}$")
_RESETS = re.compile(r"[Rr]eset")
WHOLE = frozenset({"reset", "struct reset", "clear"})
_FOR_ONE = re.compile(
    r"(?:[Rr]egister|[Ii]nstall|[Ii]nit|[Ss]et[Uu]p)(?:$|[A-Z])(?!\w*(?:Fn|Func|Plugin|Provider|Factory|Handler|Hook|Flag)s?$)"
)
# one thing of the cluster, by the name of a parameter; what else is registered may be a part of the program: a service, a job
_ONE = r"(?:node|pod|cluster|namespace|instance|machine|tenant|volume|claim|container|workload|vmi?|pvc?)"
_GIVEN_ONE = re.compile(rf"(?:\w*[a-z](?=[A-Z]))?(?i:{_ONE}(?:name|uid|id|key|info)?)$")
_IS_ONE = re.compile(rf"(?i){_ONE}$")
_NO_ONE = re.compile(
    r"(?:Interface|Client|Clients|Config|Manager|Factory|Informer|Lister|Provider|Options|cluster\.Cluster)$|func\b|\[|\.\.\."
)
_TAKES = re.compile(
    r"(?:[Rr]egister|[Ii]nstall|[Ii]nit|[Aa]dd)(?:$|[A-Z])(?!\w*(?:Fn|Func|Plugin|Provider|Factory|Handler|Hook|Flag|Callback)s?$)"
)
_ENDS = re.compile(r"(?P<end>[Ss]top|[Cc]lose|[Ss]hut[Dd]own|[Dd]estroy|[Tt]ear[Dd]own)(?:$|(?P<of>[A-Z]\w*))")
_REGISTERS = re.compile(
    r"^(?:(?:Must)?[Rr]egister|[Ii]nstall|With[A-Z]|AddFlag|BindFlag|AddHandler|AddCheck|AddHealth|HandleFunc|Handle$|"
    r"Add\w*(?:Plugin|Provider|Factory|Scheme|Validator|Hook|Index|Indexer|Indexers)|Add[A-Z]\w*(?:Fn|Func|Callback)$|Set\w*Factory|index$|Index$)"
)


def registers(name: str) -> bool:
    """Whether a function is called as those are that a program registers its parts with."""
    return _REGISTERS.match(name) is not None and not re.search("(?i)reconcile|sync", name)


def is_later(name: str) -> bool:
    """Whether a function is called as those are that run again and again."""
    return _LATER.search(name) is not None


def is_served(spot: Spot) -> bool:
    """Whether a method answers requests, of gRPC or HTTP, whatever it is called: `Register(ctx, *pb.RegisterRequest)`."""
    function = spot.function
    is_called_so = bool(function.receiver_type) and _SERVES.match(function.name) is not None
    return is_called_so and (any(_REQUEST.search(kind) for _, kind in function.params) or _is_of_grpc(function))


def _is_of_grpc(function: Function) -> bool:
    """Whether a method has the shape of an answer to one message: `(ctx context.Context, m *pb.Service) (*pb.Service, error)`."""
    kinds = [kind for _, kind in function.params]
    return (
        kinds[:1] == ["context.Context"]
        and len(kinds) > 1
        and _MESSAGE.match(kinds[1]) is not None
        and (_ANSWER.fullmatch(function.result) is not None)
    )


def is_flag(spot: Spot) -> bool:
    """Whether a function takes a flag of the command line: `Set` of what is a flag.Value, which has a String as well, or any method of a pflag.Value."""
    function, methods = spot.function, spot.package.methods
    if all((function.receiver_type, name) in methods for name in ("String", "Set", "Type")):
        return True
    is_set = function.name == "Set" and [kind for _, kind in function.params] == ["string"] and function.result == "error"
    return is_set and (function.receiver_type, "String") in methods


def comes_later(module: Module, spot: Spot) -> bool:
    """Whether a function that is called like a part of starting is run by one that runs again and again: `installRoute` of `syncEgress`.

    What makes something is so where a reconciler calls it: `NewScope(params)` of `Reconcile`.
    """
    function = spot.function
    if not function.params:
        return False
    if _FOR_ONE.match(function.name):
        return _is_run_again(module, spot)
    is_maker = not function.receiver_type and _MAKES.match(function.name) is not None
    return is_maker and any(RECONCILES.match(caller.function.name) for caller, _ in _few_calls(module, spot))


def takes_one(spot: Spot) -> bool:
    """Whether a method that is called like a part of starting is given one thing of the cluster, or is such a thing's own: `InitVolume(nodeName)`."""
    function = spot.function
    return (
        bool(function.receiver_type)
        and _TAKES.match(function.name) is not None
        and (
            _IS_ONE.match(function.receiver_type) is not None
            or any(_GIVEN_ONE.match(name) and not _NO_ONE.search(kind) for name, kind in function.params)
        )
    )


def _is_run_again(module: Module, spot: Spot, depth: int = 0) -> bool:
    return depth <= DEPTH and any(
        _AGAIN.match(caller.function.name) or _RUNS_AGAIN.match(caller.function.name) or _is_run_again(module, caller, depth + 1)
        for caller, _ in _few_calls(module, spot)
    )


def _few_calls(module: Module, spot: Spot) -> list[tuple[Spot, Call]]:
    """The calls of a function, without those of tests and tools; none where many functions have its name."""
    if len(module.functions[spot.function.name]) > HELPERS_ALIKE:
        return []
    calls = [(caller, call) for caller, call in calls_of(module, spot) if not is_aside(caller.file)]
    return calls if len(calls) <= CALLERS else []


def releases_while_running(module: Module, symbol: Symbol, *, stays: bool = False) -> list[ReleaseAt]:
    """Who takes out of a symbol, wherever it is named, but for fields that get their first value at the start, or their last one.

    What `stays` for as long as the process is not given up where another one like it is made, either.
    """
    package = module.packages.get(symbol.folder)
    anywhere = module.releases.get(Symbol("*", "", symbol.name), ()) if symbol.name[:1].isupper() else ()
    # of what is called alike in a package that does not know this one, another value is another's
    named = [one for one in anywhere if one.release.how != "reset" or package is None or _imports(module, one.spot, package)]
    return [
        one
        for one in (*module.releases.get(symbol, ()), *named)
        if one.release.how not in WHOLE
        or not (_is_first_value(module, one) or _is_for_tests_or_end(module, one.spot) or (stays and _is_of_fresh(one)))
    ]


def _is_of_fresh(one: ReleaseAt) -> bool:
    """Whether a field is filled of what the function has made before: `copied := &Info{}; copied.nodes = …`."""
    place = one.release.place
    return bool(place.fields) and any(
        made.goes == "local" and made.to.root == place.root and made.at < one.release.at and not made.type_name.startswith("()")
        for made in one.spot.function.made
    )


def _imports(module: Module, spot: Spot, package: Package) -> bool:
    return spot.package is package or any(module.imported(path) is package for path in spot.file.imports.values())


def _is_for_tests_or_end(module: Module, spot: Spot) -> bool:
    """Whether a method gives up all that an object has when its end has come, or is there for tests: Close, and a Reset nobody calls.

    What has more in its name, such as CloseWindow, may end something that comes again: it is an end where only ends, main, and what runs
    once call it.
    """
    function = spot.function
    if not function.receiver_type:
        return False
    if found := _ENDS.match(function.name):
        return not found["of"] or not is_called(module, spot, of_end=True)
    return _RESETS.match(function.name) is not None and not is_called(module, spot)


def is_called(module: Module, spot: Spot, *, of_end: bool = False) -> bool:
    """Whether code that runs for long may call a method: not what has the name and is called on something else, such as a timer."""
    if spot.function.name in handed_over(module) or is_of_interface(module, spot):
        return True
    return any(
        not is_aside(caller.file)
        and caller.function.name != spot.function.name
        and not (of_end and _is_end(caller, call))
        and may_mean(module, caller, call, spot)
        for caller, call in calls_of(module, spot)
    )


def _is_end(caller: Spot, call: Call) -> bool:
    """Whether a call is made when the program, or what the caller belongs to, ends."""
    name = caller.function.name
    found = _ENDS.match(name)
    is_once = name == "main" or _BEGINS.match(name) is not None
    return (found is not None and not found["of"]) or (is_once and not _is_repeated(call.branches))


def is_of_interface(module: Module, spot: Spot) -> bool:
    """Whether an interface names the method, and the type has all others of that interface, too."""
    owner, methods = spot.function.receiver_type, spot.package.methods
    return any(
        spot.function.name in names and all((owner, name) in methods for name in names)
        for package in module.packages.values()
        for facts in package.files
        for names in facts.interfaces.values()
    )


def may_mean(module: Module, caller: Spot, call: Call, spot: Spot) -> bool:
    """Whether what a method is called on may be of its type, as far as types are said."""
    place, kind = call.receiver, ""
    params = spot.function.params
    is_spread = any(kind.startswith("...") for _, kind in params) or (len(call.texts) == 1 and call.texts[0].endswith(")"))
    if len(params) != len(call.texts) and not (params and is_spread):
        return False  # a timer's Reset is told for how long, and a client's Delete is given a context, too
    if place is None:
        return True
    local = caller.function.locals.get(place.root) if not place.fields else None
    if local is not None and local.how == "call" and _is_of_std(caller, local.text):
        return False
    if not place.fields:
        kind = module.type_of_root(caller, place.root)
    elif place.fields[-1] not in module.field_names:
        return False  # a field of another module's
    elif len(found := module.symbols(caller, place)) == 1:
        kind = module.type_of(found[0])
    if place.keys:
        kind = re.sub(r"^(?:\[\]|map\[[^\]]*\])", "", kind)
    name = simple_type(kind)
    if _is_of_std(caller, kind.lstrip("*")):
        return False
    is_known = any(name in package.structs or name in package.interfaces for package in module.packages.values())
    return not is_known or _has_methods_of(module, name, spot.function.receiver_type)


def _has_methods_of(module: Module, name: str, owner: str, depth: int = 0) -> bool:
    """Whether a type is one, or embeds it."""
    if name == owner:
        return True
    embedded = {
        simple_type(one)
        for package in module.packages.values()
        if name in package.structs
        for one in package.structs[name].embedded
    }
    return depth < DEPTH and any(_has_methods_of(module, one, owner, depth + 1) for one in embedded)


def _is_of_std(spot: Spot, name: str) -> bool:
    """Whether a name is qualified by a package of Go's own library, whose path has no host: nothing of a tree comes from there."""
    qualifier, dot, _ = name.partition(".")
    path = spot.file.imports.get(qualifier, "") if dot else ""
    return bool(path) and "." not in path.partition("/")[0]


def _is_first_value(module: Module, one: ReleaseAt) -> bool:
    """Whether a map is made anew only when the program starts, or a controller begins to run, before its loops."""
    place = one.release.place
    if one.release.how != "reset" or (not place.fields and place.root in one.spot.function.captured):
        return False
    if runs_at_start(module, one.spot):
        return True
    function = one.spot.function
    if _BEGINS.match(function.name) and any(_UNTIL.search(kind) for _, kind in function.params):
        return not _is_repeated(one.release.branches)  # it runs until it is told to stop, and begins with this
    calls = calls_of(module, one.spot)
    if not calls or len(calls) > CALLERS or _is_repeated(one.release.branches):
        return False
    return all(
        not _is_repeated(call.branches) and (_BEGINS.match(caller.function.name) or runs_at_start(module, caller, 1))
        for caller, call in calls
    )


def _is_repeated(branches: Branches) -> bool:
    return any(branch.kind in {"for", "case", "func", "go"} for branch in branches)


def _is_given_to_once(module: Module, spot: Spot) -> bool:
    """Whether a function is what a sync.Once does: `once.Do(initialize)`."""
    name = spot.function.name
    return (
        not spot.function.receiver_type
        and name in handed_over(module)
        and any(
            call.texts == (name,) and caller.package is spot.package and _ONCE.search(call.qualifier) is not None
            for caller, call in module.callers.get("Do", ())
        )
    )


def makes_ready(module: Module, spot: Spot) -> bool:
    """Whether a function makes something ready, by its name: the program, or the one object that it is of."""
    return _AT_START.match(spot.function.name) is not None and not comes_later(module, spot)


def runs_at_start(module: Module, spot: Spot, depth: int = 0, seen: frozenset[int] = frozenset()) -> bool:
    """Whether the function, by its name or by all who call it, runs at the start alone."""
    function = spot.function
    # a method that makes something is called as long as its object is there
    is_maker = bool(function.receiver_type) and _MAKES.match(function.name) is not None
    is_named_so = _AT_START.match(function.name) or (_STARTS.match(function.name) and not function.params)
    if function.name in {"init", "(package)", "main"} or _is_given_to_once(module, spot):
        return True
    if is_served(spot):
        return False
    if is_named_so and not is_maker and not takes_one(spot):
        return not comes_later(module, spot)
    if is_later(function.name):
        return False
    if "/cmd/" in "/" + spot.file.path and depth > 0 and not function.receiver_type:
        return True  # a method of what a program has there may be asked for as long as it runs
    callers = calls_of(module, spot)
    if not callers or depth > DEPTH or len(callers) > CALLERS or id(function) in seen:
        return False
    return all(
        _begins(module, caller, call, depth, seen | {id(function)})
        and not any(branch.kind in {"func", "go"} for branch in call.branches)
        for caller, call in callers
    )


def _begins(module: Module, caller: Spot, call: Call, depth: int, seen: frozenset[int]) -> bool:
    """Whether a call is made at the start alone. What a constructor puts into something that it is given comes as often as who makes it."""
    place, function = call.receiver, caller.function
    is_into_given = place is not None and any(name == place.root for name, _ in function.params)
    if is_into_given and not function.receiver_type and _MAKES.match(function.name) and (makers := _few_calls(module, caller)):
        return all(runs_at_start(module, maker, depth + 2, seen) for maker, _ in makers)
    return runs_at_start(module, caller, depth + 1, seen)
