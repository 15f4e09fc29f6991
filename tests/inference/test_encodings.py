"""Ways in which programs write names so that they may be keys: each is read, and lost ones are found."""

from __future__ import annotations

import hashlib
import random
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from bench.ghosts.small import MACHINE_SCHEMES, brands

from ghostkey.inference.codecs import decoded
from ghostkey.inference.digests import DIGESTS
from tests.helpers import analyse, config_map, keys, thing

WITH_KIND: dict[str, Callable[[str, str], str]] = {
    "sha256 of kind, namespace and name": lambda ns, name: hashlib.sha256(f"tenant/{ns}/{name}".encode()).hexdigest()[:16],
    "md5 of Kind, namespace and name": lambda ns, name: hashlib.md5(
        f"Tenant:{ns}:{name}".encode(), usedforsecurity=False
    ).hexdigest(),
    "sha256 of kind and name, by a dot": lambda ns, name: hashlib.sha256(f"tenant.{name}".encode()).hexdigest()[:16],
    "crc32 as a number": lambda ns, name: str(zlib.crc32(name.encode())),
    "crc32 of both as a number, with a prefix": lambda ns, name: f"slot_{zlib.crc32(f'{ns}/{name}'.encode())}",
    "fnv32a as a number": lambda ns, name: str(int(DIGESTS["fnv32a"](f"{ns}/{name}".encode()), 16)),
    "crc32 with a prefix": lambda ns, name: f"t-{zlib.crc32(f'{ns}/{name}'.encode()):08x}",
}
SCHEMES = {**MACHINE_SCHEMES, **WITH_KIND}


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_lost_key_of_this_encoding_is_found_and_live_ones_are_not(tmp_path: Path, scheme: str) -> None:
    stream = brands(random.Random(3), "tailed")
    names = [next(stream) for _ in range(15)]
    tenants = [thing("Tenant", name, "prod") for name in names[:12]]
    registry = config_map({SCHEMES[scheme]("prod", name): "1" for name in names})
    lost = {SCHEMES[scheme]("prod", name) for name in names[12:]}
    assert keys(analyse(tmp_path, [*tenants, registry]), "ghost-key") == lost


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_map_of_this_encoding_in_which_all_live_is_never_flagged(tmp_path: Path, scheme: str) -> None:
    stream = brands(random.Random(4), "tailed")
    names = [next(stream) for _ in range(15)]
    tenants = [thing("Tenant", name, "prod") for name in names]
    registry = config_map({SCHEMES[scheme]("prod", name): "1" for name in names} | {"version": "3", "settings.yaml": "a: 1"})
    assert keys(analyse(tmp_path, [*tenants, registry]), "ghost-key") == set()


@pytest.mark.parametrize(
    "key", ["checkout", "backendurl", "deadbeef", "facefeed", "app-2f", "node-2d-7", "MAXCONNS", "cat-at", "Database", "a1b2c3d4"]
)
def test_plain_word_is_not_taken_for_an_encoding(key: str) -> None:
    assert decoded(key) == []


def test_key_that_a_live_object_carries_in_a_field_is_no_ghost(tmp_path: Path) -> None:
    names = [f"acct-{number}" for number in range(10)]
    tenants = [thing("Tenant", name, "prod", spec={"slug": name}) for name in names]
    moved = [
        thing("Tenant", "renamed", "prod", spec={"slug": "acct-77"}),
        thing("Tenant", "labelled", "prod", metadata={"labels": {"customer": "acct-78"}}),
    ]
    registry = config_map(dict.fromkeys([*names, "acct-77", "acct-78", "acct-79"], "{}"))
    assert keys(analyse(tmp_path, [*tenants, *moved, registry]), "ghost-key") == {"acct-79"}


def _short_hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def test_digest_that_an_object_of_another_kind_has_is_no_ghost(tmp_path: Path) -> None:
    """Most keys fit Tenants of the same names; the map is about Databases, two of which live and are called as no Tenant is."""
    tenants = [thing("Tenant", f"shop-{number}", "prod") for number in range(12)]
    databases = [thing("Database", name, "prod") for name in ("orders", "carts")]
    known = [*(f"shop-{number}" for number in range(12)), "orders", "carts", "gone"]
    registry = config_map({_short_hash(name): "1" for name in known})
    assert keys(analyse(tmp_path, [*tenants, *databases, registry]), "ghost-key") == {_short_hash("gone")}


def test_one_live_digest_is_proof_enough_and_one_short_one_is_not(tmp_path: Path) -> None:
    tenants = [thing("Tenant", f"shop-{number}", "prod") for number in range(3)]
    names = ["shop-0", "left", "gone"]
    long = config_map({_short_hash(name): "1" for name in names}, name="long")
    short = config_map({_short_hash(name)[:6]: "1" for name in names}, name="short")
    found = {(finding.key.holder.name, finding.key.key) for finding in analyse(tmp_path, [*tenants, long, short])}
    assert found == {("long", _short_hash("left")), ("long", _short_hash("gone"))}


SEALED: dict[str, Callable[[str, str], str]] = {
    "pair cut, hash of both": lambda ns, name: f"{ns}-{name}"[:20] + "-" + hashlib.sha256(f"{ns}{name}".encode()).hexdigest()[:6],
    "name cut, hash of it": lambda ns, name: name[:10] + "-" + hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()[:8],
    "whole name, hash of both": lambda ns, name: (
        f"{name}-" + hashlib.sha1(f"{ns}/{name}".encode(), usedforsecurity=False).hexdigest()[:8]
    ),
    "name cut, crc32 of both": lambda ns, name: f"{name[:12]}.{zlib.crc32(f'{ns}/{name}'.encode()):08x}",
}


@pytest.mark.parametrize("scheme", sorted(SEALED))
def test_hash_behind_a_name_tells_objects_apart_that_are_cut_alike(tmp_path: Path, scheme: str) -> None:
    names = [f"customer-registry-{number:03d}.example" for number in range(30)]
    tenants = [thing("Tenant", name, "prod") for name in names[:12]]
    # of the same names, in another namespace: their keys are in the map of that one
    others = [thing("Tenant", name, "stage") for name in names]
    registry = config_map({SEALED[scheme]("prod", name): "1" for name in names})
    found = keys(analyse(tmp_path, [*tenants, *others, registry]), "ghost-key")
    # where the hash is of the name alone, a Tenant of that name lives
    assert found == ({SEALED[scheme]("prod", name) for name in names[12:]} if "both" in scheme else set())


def test_key_with_another_hash_may_be_that_of_an_object_without_one(tmp_path: Path) -> None:
    made = SEALED["pair cut, hash of both"]
    names = [f"customer-registry-{number:03d}" for number in range(12)]
    tenants = [thing("Tenant", name, "prod") for name in names]
    registry = config_map({made("prod", name): "1" for name in names[:-1]} | {"prod-customer-regist-0a1b2c": "1"})
    assert keys(analyse(tmp_path, [*tenants, registry]), "ghost-key") == set()


def test_other_hash_behind_a_name_that_lives_may_be_of_an_earlier_state(tmp_path: Path) -> None:
    names = [f"shop-{number:02d}-frontend" for number in range(20)]
    tenants = [thing("Tenant", name, "prod") for name in names]
    registry = config_map(
        {f"{name}-{_short_hash(name + state)[:8]}": "1" for name in [*names, "shop-20-frontend"] for state in ("", "rev 1")}
    )
    found = keys(analyse(tmp_path, [*tenants, registry]), "ghost-key")
    assert {key.rpartition("-")[0] for key in found} <= {"shop-20-frontend"}


@pytest.mark.parametrize("scheme", sorted(SEALED))
def test_sealed_key_of_a_namespace_that_was_not_looked_into_is_no_ghost(tmp_path: Path, scheme: str) -> None:
    """Namespace stage lives, and nothing of it was collected."""
    names = [f"customer-registry-{number:03d}" for number in range(15)]
    spaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in ("prod", "stage")]
    tenants = [thing("Tenant", name, "prod") for name in names]
    registry = config_map({SEALED[scheme](space, name): "1" for space in ("prod", "stage") for name in names})
    # without a list of namespaces, a key that does not say its own is held against the list of Tenants, which is whole
    for objects in [[*spaces, *tenants, registry], *([[*tenants, registry]] if "pair" in scheme else [])]:
        found = analyse(tmp_path, objects)
        assert not [finding.key.key for finding in found if finding.analysis == "ghost-key" and finding.state == "found"]


@pytest.mark.parametrize("length", [4, 5, 8])
def test_hashes_that_are_of_something_else_lose_nothing(tmp_path: Path, length: int) -> None:
    """Of names and their settings, say: none of the hashes can be made again."""
    names = [f"customer-registry-{number:03d}.example" for number in range(40)]
    tenants = [thing("Tenant", name, "prod") for name in names]
    registry = config_map({f"{name[:16]}-{_short_hash('spec of ' + name)[:length]}": "1" for name in names})
    assert keys(analyse(tmp_path, [*tenants, registry]), "ghost-key") == set()


def test_file_among_keys_with_a_time_before_the_name_is_no_ghost(tmp_path: Path) -> None:
    tenants = [thing("Tenant", f"shop-{number}", "prod") for number in range(10)]
    entries = {f"202611{10 + number}-22580{number}.shop-{number}": "1" for number in range(12)}
    registry = config_map({**entries, "config.yaml": "1"})
    assert keys(analyse(tmp_path, [*tenants, registry]), "ghost-key") == {key for key in entries if key.endswith(("-10", "-11"))}


def test_dates_and_round_numbers_among_hashes_as_numbers_are_nobodys(tmp_path: Path) -> None:
    names = [f"shop-{number}" for number in range(14)]
    tenants = [thing("Tenant", name, "prod") for name in [*names[:12], "zenit-gmbh"]]
    hashes = [str(zlib.crc32(name.encode())) for name in names]
    registry = config_map(dict.fromkeys([*hashes, "20261103", "100000", "zenit-gmbh"], "1"))
    assert keys(analyse(tmp_path, [*tenants, registry]), "ghost-key") == {text for text in hashes[12:] if len(text) > 8}


def test_key_that_is_a_live_name_as_a_whole_is_no_other_name_with_a_hash(tmp_path: Path) -> None:
    """`grove-14c6d` is the Queue of that name, however much it looks like the Tenant `grove` that is gone, and a hash."""
    tenants = [thing("Tenant", name) for name in ("acorn", "nectar", "tundra", "willow")]
    queue = thing("Queue", "grove-14c6d", "test")
    keys_of = {
        "acorn-72560": "1",
        "nectar-2c637": "1",
        "tundra-a325e": "1",
        "willow-9f3b1": "1",
        "grove-14c6d": "1",
        "jade-5d1e0": "1",
    }
    found = analyse(tmp_path, [*tenants, queue, config_map(keys_of)])
    assert {finding.key.key for finding in found if finding.analysis == "ghost-key"} == {"jade-5d1e0"}


def test_other_hash_behind_a_beginning_that_several_share_is_of_another_name(tmp_path: Path) -> None:
    """Of `tenant-abcdef-…` two live in one place and one in another: what goes there had its own hash."""
    made = SEALED["name cut, hash of it"]
    names = [f"shop-{number:03d}-{place}-frontend" for number in range(12) for place in ("eu", "us", "asia")]
    live = [name for number, name in enumerate(names) if number % 5]
    registry = config_map({made("prod", name): "1" for name in names})
    found = keys(analyse(tmp_path, [*(thing("Tenant", name, "prod") for name in live), registry]), "ghost-key")
    assert found == {made("prod", name) for name in set(names) - set(live)}


@pytest.mark.parametrize("prefix", ["", "pool-"])
@pytest.mark.parametrize("length", [6, 8])
def test_beginning_of_the_uid_behind_a_name_tells_an_object_from_the_one_before_it(
    tmp_path: Path, length: int, prefix: str
) -> None:
    uids = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(12)]
    uids = [f"{uid[:8]}-{uid[8:12]}-4{uid[12:15]}-8{uid[15:18]}-{uid[18:30]}" for uid in uids]
    tenants = [thing("Tenant", f"acme-{number}", "prod", uid) for number, uid in enumerate(uids[:8])]
    # one of the same name as a Tenant that was made again, one of the same name as something else, two of no name that lives
    before = [
        f"{prefix}{name}-{uid[:length]}" for name, uid in zip(["acme-3", "bucket-1", "acme-91", "acme-92"], uids[8:], strict=True)
    ]
    registry = config_map(
        {f"{prefix}acme-{n}-{uid[:length]}": "1" for n, uid in enumerate(uids[:8])} | dict.fromkeys(before, "1")
    )
    found = {one.key.key: one for one in analyse(tmp_path, [*tenants, thing("Bucket", "bucket-1", "prod"), registry])}
    assert {key: one.state for key, one in found.items()} == dict.fromkeys(before, "found")
    said = f"Tenant acme-3 with UID {uids[8][:length]}… is gone; a Tenant of the same name lives with another UID"
    assert found[before[0]].message == said
