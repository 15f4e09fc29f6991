"""How often `ghostkey lint` sees a delete that somebody forgot: all deletes of a field are taken away, and it should tell.

    python -m bench.lint_mutation [--all] FOLDER_OF_REPOSITORY…

A field counts that is a map, a set or what wraps one, gets keys in code of a program, and has a delete there today. Another value for
the whole map is no delete and stays where it is. A folder is a Git directory, of which HEAD is read, or a tree of files. Prints each
field that stays silent with what lint takes it for, and sums; `--all` prints those that are told, too.

Two kinds of the silent ones leak nothing when their deletes are gone, so that they are counted by themselves, too, and the share is
said with and without them. `few`: the keys' declared type (no variable's name) has few values, such as kinds of the API, Go types,
bool, or a type whose constants the code has. `whole`: the map is still given another value as a whole while the program runs, and is
told once that is taken away as well. What is silent for other reasons is `silent`, also where that is right: what lives for one call.
"""

from __future__ import annotations

import collections
import dataclasses
import re
import subprocess
import sys
from pathlib import Path

from ghostkey.lint.cache import FactsCache, default_folder
from ghostkey.lint.findings import Finding, Look
from ghostkey.lint.held import DATA, METRIC, held_maps
from ghostkey.lint.judgements.bounded import declared_in
from ghostkey.lint.judgements.code import is_aside, is_stand_in
from ghostkey.lint.keyed import key_type
from ghostkey.lint.module import Module, Symbol
from ghostkey.lint.rules import all_rules
from ghostkey.lint.run import look_at
from ghostkey.lint.source import files_of_folder, files_of_revision

WHOLE = frozenset({"reset", "struct reset"})
FEW = re.compile(
    r"(?:bool|byte|u?int8|reflect\.Type|(?:schema\.|metav1\.)?Group(?:Version)?(?:Kind|Resource)?|(?:core)?v1\.ResourceName)$"
)
RULES = ("map-never-deleted", "nested-map-left-empty")  # the others ask for a delete that is there


def fields(module: Module) -> list[Symbol]:
    """Those that count, in order."""
    return sorted(symbol for symbol in module.inserts if _counts(module, symbol))


def _counts(module: Module, symbol: Symbol) -> bool:
    kind = module.type_of(symbol)
    if symbol.folder == "*" or symbol.is_captured or symbol.name in {*DATA, "Labels", "Annotations"} or is_stand_in(symbol.owner):
        return False
    if not module.is_keyed(symbol) or METRIC.search(kind):
        return False
    # a method that is called Add of a plain map is that of a value
    is_plain = kind.lstrip("*").startswith("map[")
    inserts = [
        one
        for one in module.inserts[symbol]
        if one.insert.place.keys and not is_aside(one.spot.file) and not (is_plain and one.insert.how[:1].isupper())
    ]
    deletes = [one for one in module.releases.get(symbol, ()) if one.release.how not in WHOLE and not is_aside(one.spot.file)]
    return bool(inserts and deletes)


def has_few(module: Module, symbol: Symbol) -> bool:
    """Whether the declared type of a field's keys has few values."""
    kind = key_type(module.map_type_of(symbol))
    package, name = declared_in(module, module.packages[symbol.folder], kind)
    return FEW.match(kind) is not None or (kind != "string" and name in package.enumerations)


def told(look: Look, symbol: Symbol, *, whole: bool = False) -> list[Finding]:
    """What is found of a field whose deletes are taken away; with `whole`, also other values for the whole map."""
    module = look.module
    names = [symbol, Symbol("*", "", symbol.name)]
    kept = {name: module.releases.get(name, []) for name in names}
    for name in names:
        module.releases[name] = [one for one in kept[name] if not whole and one.release.how in WHOLE]
    try:
        mutated = dataclasses.replace(look, held=held_maps(module, look.lifetimes, [symbol]))
        return [found for rule in RULES for found in all_rules()[rule].find(mutated)]
    finally:
        module.releases.update(kept)


def main() -> int:
    """Prints what is said above."""
    shown = "--all" in sys.argv
    sums: collections.Counter[str] = collections.Counter()
    for folder in map(Path, [word for word in sys.argv[1:] if word != "--all"]):
        is_git = subprocess.run(["git", "-C", folder, "rev-parse", "HEAD"], capture_output=True, check=False).returncode == 0
        look, _ = look_at(files_of_revision(folder, "HEAD") if is_git else files_of_folder(folder), FactsCache(default_folder()))
        here: collections.Counter[str] = collections.Counter()
        for symbol in fields(look.module):
            found = told(look, symbol)
            word = min(one.level for one in found) if found else _why(look, symbol)
            here[word] += 1
            if shown or not found:
                first = look.module.inserts[symbol][0]
                life = look.lifetimes.of(look.module.packages[symbol.folder], symbol.owner) if symbol.owner else "long"
                print(
                    f"{word:6} {symbol.folder} {symbol} {life} {first.spot.file.path}:{first.insert.line} {first.insert.place.keys}"
                )
        sums += here
        print(f"{folder}: {_said(here)}", flush=True)
    print(f"all: {_said(sums)}")
    return 0


def _why(look: Look, symbol: Symbol) -> str:
    if has_few(look.module, symbol):
        return "few"
    return "whole" if told(look, symbol, whole=True) else "silent"


def _said(counts: collections.Counter[str]) -> str:
    of, both = counts.total(), counts["A"] + counts["B"]
    words = f"{of} fields, {both} told ({both / max(of, 1):.0%}), {counts['A']} at level A ({counts['A'] / max(of, 1):.0%})"
    apart = of - counts["few"] - counts["whole"]
    return f"{words}; {counts['few']} few, {counts['whole']} whole, without them {both} of {apart} ({both / max(apart, 1):.0%})"


if __name__ == "__main__":
    sys.exit(main())
