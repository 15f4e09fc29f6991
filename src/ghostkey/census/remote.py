"""A process that somebody else reads for us: the same questions as of one on this machine, each a line of JSON away."""

from __future__ import annotations

import base64
import json
import pkgutil
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import ghostkey.census
from ghostkey.census.census import Census
from ghostkey.census.functions import Frame
from ghostkey.census.gomap import GoMap
from ghostkey.census.helper import unpack
from ghostkey.census.keys import KEYS_MOST, Keys
from ghostkey.census.writers import Changes, Watched
from ghostkey.model.errors import GhostkeyError

Ask = Callable[[dict[str, Any]], Any]
"""Sends an order, and gives the answer; raises GhostkeyError."""

# modules that the helper needs beside those of this room
_OTHERS = {"ghostkey": "", "ghostkey.model": "", "ghostkey.model.errors": None}
_LEFT_OUT = {"remote", "core", "profiles"}

# what runs first at the other end: it reads so many bytes, makes modules of them, and serves
_LOADER = """
import sys, json, zlib, base64, importlib.abc, importlib.machinery
class Sources(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name in S:
            return importlib.machinery.ModuleSpec(name, self, is_package=name in P)
    def create_module(self, spec): return None
    def exec_module(self, module): exec(compile(S[module.__name__], module.__name__, "exec"), module.__dict__)
S, P = json.loads(zlib.decompress(base64.b64decode(sys.stdin.buffer.read(%d))))
sys.meta_path.insert(0, Sources())
from ghostkey.census.helper import serve
serve(sys.stdin.buffer, sys.stdout.buffer)
"""


def program() -> tuple[str, bytes]:
    """What the other end runs with `python3 -c`, and the bytes it reads first: this room, and nothing else."""
    sources: dict[str, str] = {}
    for name, text in _OTHERS.items():
        sources[name] = text if text is not None else _source(name)
    for module in pkgutil.iter_modules(ghostkey.census.__path__):
        if module.name not in _LEFT_OUT:
            sources[f"ghostkey.census.{module.name}"] = _source(f"ghostkey.census.{module.name}")
    sources["ghostkey.census"] = ""
    # no core dumps there: the one name that is imported of the module has to be there all the same
    sources["ghostkey.census.core"] = "class CoreMemory: pass\n"
    packages = ["ghostkey", "ghostkey.model", "ghostkey.census"]
    payload = base64.b64encode(zlib.compress(json.dumps([sources, packages]).encode(), 9))
    return _LOADER % len(payload), payload


def _source(name: str) -> str:
    path = f"{name.removeprefix('ghostkey.').replace('.', '/')}.py"
    return (pkgutil.get_data("ghostkey", path) or b"").decode()


def asked(send: Callable[[bytes], None], receive: Callable[[], bytes]) -> Ask:
    """Orders over a pipe: lines go out by `send`, and come back by `receive`."""

    def ask(order: dict[str, Any]) -> Any:
        send(json.dumps(order).encode() + b"\n")
        try:
            answer = json.loads(receive())
        except ValueError:
            raise GhostkeyError("the helper's answer is no JSON") from None
        if "error" in answer:
            error = GhostkeyError(str(answer.get("words")), str(answer.get("hint") or ""))
            error.exit_code = int(answer.get("code") or 5)
            raise error
        return answer.get("answer")

    return ask


class RemoteProcess:
    """The same as `Process`, for one that is read elsewhere; what is found out about a map is kept in the map, as there."""

    def __init__(self, ask: Ask, place: str, close: Callable[[], None], pid: int = 0) -> None:
        self._ask, self._close = ask, close
        told = ask({"do": "open", "pid": pid})
        self.pid, self.version = int(told["pid"]), str(told["version"])
        self.name = str(told["name"])
        self.place = place

    def census(self) -> Census:
        """Every map, named already."""
        told = self._ask({"do": "census"})
        return Census(unpack(told["maps"]), int(told["lost"]), list(told["notes"]))

    def name_types(self, maps: Sequence[GoMap]) -> None:
        """Nothing: they come named."""

    def _update(self, order: str, maps: Sequence[GoMap]) -> None:
        if not maps:
            return
        now = {found.address: found for found in unpack(self._ask({"do": order, "addresses": [one.address for one in maps]}))}
        for found in maps:
            _copy(now.get(found.address), found)

    def describe(self, maps: Sequence[GoMap]) -> None:
        """Looks into these maps."""
        self._update("describe", maps)

    def find_holders(self, maps: Sequence[GoMap], every: Sequence[GoMap]) -> None:
        """Says of each of these maps who holds it."""
        self._update("find_holders", [found for found in maps if not found.holder])

    def read_keys(self, found: GoMap, most: int = KEYS_MOST) -> Keys:
        """The keys of a map."""
        return Keys(**self._ask({"do": "read_keys", "address": found.address, "most": most}))

    def text_keys(self, maps: Sequence[GoMap], most: int, total: int) -> tuple[list[tuple[int, Keys]], int]:
        """Keys of these maps, where they can be names."""
        told = self._ask({"do": "text_keys", "addresses": [one.address for one in maps], "most": most, "total": total})
        return [(address, Keys(**keys)) for address, keys in told["read"]], int(told["left_out"])

    def again(self, found: GoMap) -> GoMap | None:
        """The same map as it is now; None when it is gone."""
        now = unpack(self._ask({"do": "again", "address": found.address}))
        return now[0] if now else None

    def forget_holder(self, found: GoMap) -> None:
        """Has the holder of a map be looked for anew."""
        found.holder = ""
        self._ask({"do": "forget_holder", "address": found.address})

    def refresh(self) -> None:
        """Reads anew which spans and goroutines there are."""
        self._ask({"do": "refresh"})

    def word(self, address: int) -> int:
        """A word of the process."""
        return int(self._ask({"do": "word", "address": address}))

    def watch(self, maps: Sequence[GoMap], seconds: float, way: str) -> Watched:
        """Who changes these maps, as `writers.watch` and `poll` tell."""
        told = self._ask({"do": "watch", "addresses": [one.address for one in maps], "seconds": seconds, "way": way})
        by_address = {found.address: found for found in maps}
        changes = [
            Changes(
                by_address[one["address"]],
                one["len_before"],
                one["len_after"],
                _counted(one["stacks"]),
                one["share"],
                one["left_out"],
            )
            for one in told["changes"]
        ]
        return Watched(
            changes,
            told["seconds"],
            told["threads"],
            told["lost"],
            told["throttled"],
            told["ended"],
            told["way"],
            _counted(told["busy"]),
        )

    def close(self) -> None:
        """Ends the helper."""
        self._close()


def _counted(rows: Sequence[Any]) -> Counter[tuple[str, tuple[Frame, ...]]]:
    return Counter({(word, tuple(Frame(*frame) for frame in stack)): times for word, stack, times in rows})


def _copy(now: GoMap | None, found: GoMap) -> None:
    if now is not None:
        for name in GoMap.__slots__:
            setattr(found, name, getattr(now, name))
