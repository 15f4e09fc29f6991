"""How long the entries of a Go map live: what mirrors the cluster, what forgets by itself, what belongs to a call.

Source
    client-go tools/cache, tools/record, tools/events and util/workqueue, controller-runtime pkg/controller/priorityqueue, apimachinery
    util/cache, client_golang prometheus/histogram.go, golang.org/x/net/http2/hpack, groupcache/lru, hashicorp/golang-lru: the types of their stores.
"""

from __future__ import annotations

import re

from ghostkey.census.gomap import GoMap

# Types of client-go, controller-runtime and the API server that hold what lives, and forget it when it goes
_MIRRORS = re.compile(
    r"\((?:cache\.(?:threadSafeMap|storeIndex|DeltaFIFO|RealFIFO|FIFO|cache|ExpirationCache|sharedProcessor|sharedIndexInformer"
    r"|watchCache|watchCacheHistory)"
    r"|cacher\.\w+|garbagecollector\.concurrentUIDToNode|etcd3\.\w+|store\.\w*[sS]tore\w*|(?:workqueue|priorityqueue)\.[^)]+|controller\.(?:UIDTrackingControllerExpectations|ControllerExpectations))\b"
)
# an API object within a cache: its labels, and the data of a ConfigMap, are as the cluster has them
_API_OBJECTS = re.compile(
    r"\.ObjectMeta\.|\((?:v\d\w*|core)\.(?:ConfigMap|Secret)\)\.(?:\w*Data)\b|\(unstructured\.Unstructured\)"
)
_REFLECTOR = re.compile(r"^goroutine \d+ in cache\.\(\*Reflector\)")
# what objects of unknown types alone lead to from an informer's goroutine is of its store: an operator's own would have a type
_INFORMER = re.compile(r"^goroutine \d+ in cache\.\(\*\w+\)[^→]*(?: → …(?:\[\*\])*)+$")
_GOROUTINE = re.compile(r"^goroutine \d+(?: in )?")


def place_of(found: GoMap) -> str:
    """By what a map is known from one run to the next: the field that holds it, else the path without a goroutine's number."""
    place = found.holder.rfind(" → (")
    return found.holder[place + 3 :] if place >= 0 else _GOROUTINE.sub("stack of ", found.holder).strip()


# what holds more than a call does: a value of a type with a name, and what a closure has captured
_HOLDS = re.compile(r"func |\((?!(?:noalg\.)?map\.)(?P<type>\w+\.\w+)")
# values with which one call does its work: an iterator, an encoder, a request and what goes with it
_OF_A_CALL = re.compile(r"(?:reflect|runtime|maps|json|yaml|fmt|context)\.|(?:http|rest)\.(?:Request|Response|Result)$")


def is_long_lived(found: GoMap) -> bool:
    """Whether something holds a map that may outlive a call: no garbage, and no library's own local.

    Of what a stack leads to, an unknown object says nothing. A map that is itself a local belongs to a call, unless its header is in
    the frame of a function of package main, which runs as long as the program: a mere word of a stack that points to a map may be
    left over from a call that ended long ago, such as a document that was decoded once. Values of types without a name in between,
    as decoding makes them, and those that a call works with change nothing of that.
    """
    if found.root != "stack":
        return found.root == "global"
    steps = [held for step in found.holder.split(" → ")[1:] if (held := _HOLDS.match(step))]
    is_local = all(step["type"] and _OF_A_CALL.match(step["type"]) for step in steps)
    is_own = found.place == "stack" and _GOROUTINE.sub("", found.holder).startswith("main.")
    return "→ ?" not in found.holder and (not is_local or is_own)


def mirror_of(holder: str) -> str:
    """What of a path says that the map mirrors what lives; empty when nothing does."""
    found = _MIRRORS.search(holder) or _API_OBJECTS.search(holder) or _REFLECTOR.search(holder) or _INFORMER.search(holder)
    return found[0] if found is not None else ""


# What is about requests or events, and has room for so many or so long: a table of HTTP/2's headers, connections that idle, buckets
# of a histogram, …
_FORGETS = re.compile(
    r"\((?:hpack\.\w+|\w*lru\w*\.\w+|ttlcache\.\w+|expirable\.\w+|singleflight\.Group|cache\.(?:Expiring|LRUExpireCache)"
    r"|http2?\.(?:Transport|\w*[cC]lientConnPool)|record\.Event\w+|record\.\w*Spam\w+"
    r"|events\.eventBroadcasterImpl|tls\.lruSessionCache|prometheus\.histogramCounts)\b"
    # what a function of theirs has captured, where nothing tells its type
    r"|func k8s\.io/client-go/tools/(?:events|record)\.[^→]*→ \?"
)
# where the element of a linked list is, what forgets the least recently used; a place in a table of HTTP/2; what a lease ends; client-go's events of late
_FORGETS_BY_TYPE = re.compile(
    r"\]\*(?:list\.Element|\w*lru\w*\.\w+|internal\.Entry\[.*|ttlcache\.\w+.*)$|^map\[(?:hpack\.|lease\.LeaseItem\]|events\.eventKey\])"
)


def forgets_by_itself(found: GoMap) -> bool:
    """Whether a map is a cache with room for so many entries, or for so long: an entry in it is no promise that its object lives."""
    return bool(_FORGETS.search(found.holder) or _FORGETS_BY_TYPE.search(found.type))


def is_held_by_what_forgets(found: GoMap) -> bool:
    """Whether the very field that holds a map is of such a cache, or of what mirrors the cluster: that stays so, by whichever path the
    map is come to later."""
    place = place_of(found)
    return bool(_FORGETS.search(place) or _FORGETS_BY_TYPE.search(found.type) or _MIRRORS.search(place))


def is_come_to_unknown(found: GoMap) -> bool:
    """Whether nobody is known to hold a map, or a stack leads to it by objects of which nothing is known: another look may tell more."""
    return found.root == "none" or (found.root == "stack" and " → …" in found.holder)
