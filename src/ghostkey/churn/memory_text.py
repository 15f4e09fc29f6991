"""Names of dead subjects in the memory of a program of any language.

What was freed stands in memory until something is written over it, and caches keep a few hundred of anything. So a trace is only what
holds (nearly) all of every round but the newest, of more subjects than usual caches have room for.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping

from ghostkey.churn.tokens import TOKEN
from ghostkey.churn.traces import Found, Signature, Trace

PLACE = "names in the memory of the operator"
NEARLY_ALL = 0.9
CACHED = 300  # functools.lru_cache has 128 by default, others 256: what is less may be a cache's
BYTES_MOST = 2 << 30  # of one process
_PIECE, _OVERLAP = 4 << 20, 16
# Source: proc_pid_maps(5): address range, permissions, offset, device, inode
_WRITABLE = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) rw.p \S+ \S+ (\d+)", re.MULTILINE)


def names_in_memory(pid: int) -> tuple[set[str], int]:
    """Every name that our subjects have, living or dead, that stands in what the process has written, and how many bytes were left out.

    Raises OSError.
    """
    found: set[bytes] = set()
    with open(f"/proc/{pid}/maps") as lines:
        regions = [(int(low, 16), int(high, 16)) for low, high, _ in _WRITABLE.findall(lines.read())]
    left = BYTES_MOST
    handle = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        for low, high in regions:
            for place in range(low, min(high, low + left), _PIECE):
                # a page that went meanwhile, or that nobody may read
                with contextlib.suppress(OSError):
                    found.update(TOKEN.findall(os.pread(handle, min(_PIECE + _OVERLAP, high - place), place)))
            left = max(0, left - (high - low))
    finally:
        os.close(handle)
    beyond = sum(high - low for low, high in regions) - BYTES_MOST
    return {token.decode().lower() for token in found}, max(0, beyond)


def traces(pid: int, rounds: Mapping[str, int]) -> tuple[Found, str]:
    """What stays of the dead, and why it is not known whether anything does; "" where it is.

    `rounds`: name → the round in which it went; the newest one is judged with the next.
    """
    if len(set(rounds.values())) < 2:
        return {}, ""
    names, beyond = names_in_memory(pid)
    there = names & rounds.keys()
    newest = max(rounds.values())
    for number in set(rounds.values()) - {newest}:
        dead = [token for token, when in rounds.items() if when == number]
        if sum(token in there for token in dead) < NEARLY_ALL * len(dead):
            more = (
                f"names of the dead were looked for in {BYTES_MOST:,} bytes of the operator's memory, and not in {beyond:,} more"
            )
            return {}, more if beyond else ""
    return {
        Signature("memory", PLACE): Trace(there, f"{len(there)} of {len(rounds)} names of dead subjects", series=1, is_weak=False)
    }, ""
