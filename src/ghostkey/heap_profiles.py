"""The front door to heap profiles: fetched or read, compared, and what they say of maps.

>>> told = compare([load("before.pb.gz"), load("http://127.0.0.1:6060")])       # doctest: +SKIP
"""

from __future__ import annotations

import re
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ghostkey.census.functions import Frame
from ghostkey.census.profiles import Branch, Profile, decode, growth, tree
from ghostkey.kube.client import ApiClient
from ghostkey.kube.download import TIMEOUT_SECONDS, answer, fetch
from ghostkey.kube.port_forward import PodConnection
from ghostkey.model.errors import AccessDenied, GhostkeyError, SourceDamaged, UsageError, unreadable

BYTES_MOST = 64 << 20  # of a profile, packed
HEAP, GOROUTINES = "/debug/pprof/heap?gc=1", "/debug/pprof/goroutine"
POD = "pod://"
_POD_PORT = re.compile(r"([a-z0-9](?:[-.a-z0-9]*[a-z0-9])?):(\d{1,5})(/.*)?")
# what a heap profile cannot know, told with every answer
CANNOT_KNOW = (
    "a heap profile samples allocations: it knows who allocates, never who deletes, nor which of two maps on one line",
    "Go leaves its own calls out of it, so that a map's growth and any other allocation on a line look alike",
    "bytes of a map's tables do not shrink on delete; ghostkey maps PID shows len and slots, ghostkey stacks PID who deletes",
)


@dataclass(slots=True)
class HeapGrowth:
    """What two profiles tell: bytes by allocating call, and all in use; one profile tells what is, not what grew.

    `is_of_maps`: the calls are assignments to maps; else the profile does not tell these from other allocations.
    `goroutines`: how many stood in which stack, when the last profile came from an address that gives them too.
    """

    stacks: dict[tuple[Frame, ...], int]
    tree: list[Branch]
    in_use_before: int | None
    in_use_after: int
    seconds: float
    is_of_maps: bool
    goroutines: Counter[tuple[Frame, ...]] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """Bytes of all these calls, or by how much they grew."""
        return sum(self.stacks.values())


def is_address(place: str) -> bool:
    """Whether a place is a URL, or a port of a Pod (`pod://NAME:PORT`), and no file."""
    return place.startswith(("http://", "https://", POD))


Fetch = Callable[[str, int], bytes]
"""Gives what is at an address, of so many bytes at most."""


def pod_place(word: str) -> str:
    """`pod://NAME:PORT/path` of `pod/NAME:PORT/path`; any other word as it is. Raises UsageError where no port is named."""
    kind, slash, rest = word.partition("/")
    if kind not in {"pod", "pods", "po"} or not slash:
        return word
    found = _POD_PORT.fullmatch(rest)
    if found is None or not 0 < int(found[2]) < 1 << 16:
        raise UsageError(
            f"{word!r} names no port of a Pod", "write pod/NAME:PORT, and the path where pprof is not at /debug/pprof"
        )
    return f"{POD}{rest}"


def through_pods(connect: Callable[[], tuple[ApiClient, str]]) -> Fetch:
    """A way to fetch that reaches ports of Pods through the API server; `connect` gives a client, and the namespace, when one is."""

    def get(url: str, most: int) -> bytes:
        if not url.startswith(POD):
            return fetch(url, most)
        parts = urllib.parse.urlsplit(url)
        client, namespace = connect()
        pod = parts.netloc.rpartition(":")[0]
        try:
            return answer(PodConnection(client, namespace, pod, parts.port or 0, TIMEOUT_SECONDS), url, most)
        except AccessDenied as error:
            raise AccessDenied(str(error), f"ghostkey rbac --for pprof -n {namespace} prints the rights", error.status) from None

    return get


def heap_address(place: str) -> str:
    """The URL of a heap profile after a collection, for the address of a program or of its pprof pages."""
    parts = urllib.parse.urlsplit(place)
    if parts.path.rstrip("/").endswith("/heap"):
        query = parts.query if "gc=" in parts.query else "&".join(filter(None, (parts.query, "gc=1")))
        return urllib.parse.urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
    base = parts.path.rstrip("/").removesuffix("/debug/pprof")
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc, base, "", "")) + HEAP


def load(place: str, get: Fetch = fetch) -> Profile:
    """The heap profile of a file, or of a URL. Raises SourceDamaged, ProfileDamaged, ApiFailed, UsageError."""
    if is_address(place):
        return decode(get(heap_address(place), BYTES_MOST))
    try:
        with open(place, "rb") as file:
            content = file.read(BYTES_MOST + 1)
    except OSError as error:
        raise unreadable(place, error, "name a file of /debug/pprof/heap, a URL, or pod/NAME:PORT") from None
    if len(content) > BYTES_MOST:
        raise SourceDamaged(f"{place} is larger than {BYTES_MOST >> 20} MiB")
    return decode(content)


def load_goroutines(place: str, get: Fetch = fetch) -> Counter[tuple[Frame, ...]]:
    """How many goroutines stand in which stack, from the same address; nothing when it does not say."""
    if not is_address(place):
        return Counter()
    address = heap_address(place).partition("?")[0].removesuffix("/heap") + "/goroutine"
    try:
        profile = decode(get(address, BYTES_MOST))
    except GhostkeyError:
        return Counter()
    return Counter({stack: values[0] for stack, values in profile.stacks.items()})


def compare(
    places: Sequence[str], seconds: float = 0.0, wait: Callable[[float], None] = time.sleep, get: Fetch = fetch
) -> HeapGrowth:
    """What one profile says of maps, or how they grew from the first to the second.

    One address and a time: it is asked twice, that far apart.
    """
    first = load(places[0], get)
    last, before = first, None
    if len(places) > 1:
        before, last = first, load(places[1], get)
    elif seconds:
        wait(seconds)
        before, last = first, load(places[0], get)
    apart = (last.time_nanoseconds - before.time_nanoseconds) / 1e9 if before is not None else 0.0
    stacks, is_of_maps = growth(before, last)
    used = _in_use(before) if before is not None else None
    return HeapGrowth(stacks, tree(stacks), used, _in_use(last), apart, is_of_maps, load_goroutines(places[-1], get))


def _in_use(profile: Profile) -> int:
    place = profile.column("inuse_space")
    return sum(values[place] for values in profile.stacks.values())
