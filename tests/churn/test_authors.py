"""Who has put what where is told by whose requests did it: another instance of the same program writes under the same name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ghostkey.churn.given_authors import Authored
from ghostkey.churn.given_receipt import clean_up
from ghostkey.churn.proxy.client import ProxyProcess
from ghostkey.model.errors import ApiFailed
from tests.churn.writers import ANOTHER, CONFIGMAPS, HOLDS, NAMES, TENANTS, Writers, client_of
from tests.helpers import HANG_SECONDS


@pytest.mark.whole
def test_finalizer_under_the_same_name_is_the_operators_where_its_own_request_has_put_it_there(writers: Writers) -> None:
    paths = {name: writers.tenant(f"gkaaaaaa{letter}x") for letter, name in zip("abcdefg", NAMES, strict=True)}
    operator, other = writers.operator, writers.client
    writers.hold(operator, paths["own"], HOLDS)
    # the operator writes the whole object back as it was shown, and so names what somebody else has put there
    writers.hold(other, paths["other"], HOLDS)
    shown = operator.get_object(paths["other"])
    assert shown is not None
    writers.write(operator, "PUT", paths["other"], shown | {"spec": {"plan": "silver"}})
    # each has one, and the patch of the second names both
    writers.hold(other, paths["both"], ANOTHER)
    assert operator.get_object(paths["both"])
    writers.hold(operator, paths["both"], ANOTHER, HOLDS)
    # taken away by the operator, and put there again by somebody else
    writers.hold(operator, paths["again"], HOLDS)
    writers.hold(operator, paths["again"])
    writers.hold(other, paths["again"], HOLDS)
    # what it was never shown it has asked for itself
    writers.hold(operator, paths["blind"], HOLDS)
    # somebody else is faster with the very same, and the operator has not seen it; or with another one
    for name, faster in (("raced", HOLDS), ("behind", ANOTHER)):
        assert operator.get_object(paths[name])
        writers.hold(other, paths[name], faster)
        writers.hold(operator, paths[name], HOLDS)

    writers.receipt.read_again()
    uids = {name: (other.get_object(path) or {})["metadata"]["uid"] for name, path in paths.items()}
    put = {name: writers.receipt.put.get(uid) or set() for name, uid in uids.items()}
    assert put == {
        "own": {HOLDS},
        "other": set(),
        "both": {HOLDS},
        "again": set(),
        "blind": {HOLDS},
        "raced": set(),
        "behind": {HOLDS},
    }
    assert writers.receipt.managers == {"same"}
    cleaned = clean_up(other, writers.receipt, patience=0.0)  # the first look deletes them
    cleaned = clean_up(other, writers.receipt, patience=0.0)
    assert "which is not known to be the operator's" in cleaned.why
    left = {path: (other.get_object(path) or {}).get("metadata", {}).get("finalizers") for path in paths.values()}
    assert left == {
        paths["own"]: None, paths["other"]: [HOLDS], paths["both"]: [ANOTHER], paths["again"]: [HOLDS], paths["blind"]: None,
        paths["raced"]: [HOLDS], paths["behind"]: None,
    }  # fmt: skip


@pytest.mark.whole
def test_finalizer_that_somebody_else_takes_away_is_told_from_what_the_operator_takes_away(writers: Writers) -> None:
    path, robbed, shared, foreign = (writers.tenant(f"gkcccccc{letter}x") for letter in "abcd")
    events = writers.operator.watch(TENANTS, {}, HANG_SECONDS)
    assert {next(events)["type"] for _ in range(4)} == {"ADDED"}
    writers.hold(writers.operator, path, HOLDS)
    writers.hold(writers.operator, robbed, HOLDS)
    writers.hold(writers.client, shared, HOLDS)
    writers.hold(writers.client, foreign, ANOTHER)
    for one in (path, robbed, shared, foreign):
        assert writers.operator.get_object(one)
        writers.delete(one)
    writers.hold(writers.operator, path)
    for one in (robbed, shared, foreign):
        writers.hold(writers.client, one)
    gone = 0
    while gone < 4:
        gone += next(events)["type"] == "DELETED"
    assert Authored().add(writers.proxy).robbed == {"gkccccccbx", "gkcccccccx"}, (
        "the last one is held by nothing of the operator's"
    )
    # what one of its replicas has taken away, others have seen going
    replica = Authored(taken={"gkccccccax": {HOLDS}}, names={HOLDS})
    assert replica.robbed == {"gkccccccax"}
    assert replica.add(writers.proxy).robbed == {"gkccccccbx", "gkcccccccx"}


@pytest.mark.whole
def test_finalizer_that_the_operator_would_have_put_or_taken_is_one_that_it_works_with(writers: Writers) -> None:
    path = writers.tenant("gkddddddax")
    stale = writers.operator.get_object(path)
    assert stale is not None
    writers.hold(writers.client, path, HOLDS, ANOTHER)
    stale["metadata"]["finalizers"] = [HOLDS]
    with pytest.raises(ApiFailed, match="409"):
        writers.write(writers.operator, "PUT", path, stale)
    assert Authored().add(writers.proxy).names == {HOLDS}


@pytest.mark.whole
def test_finalizer_of_others_is_none_that_the_operator_works_with_whatever_it_has_not_seen_yet(writers: Writers) -> None:
    stale_path, applied = writers.tenant("gkddddddbx"), writers.tenant("gkddddddcx")
    stale = writers.operator.get_object(stale_path)
    assert stale is not None
    events = writers.operator.watch(TENANTS, {}, HANG_SECONDS)
    assert {next(events)["type"] for _ in range(2)} == {"ADDED"}
    for path in (stale_path, applied):
        writers.hold(writers.client, path, ANOTHER)
        next(events)  # the proxy has handed it on
    with pytest.raises(ApiFailed, match="409"):
        writers.write(writers.operator, "PUT", stale_path, stale | {"spec": {"plan": "silver"}})
    # an apply leaves what others have put there, and says nothing of it
    writers.apply(writers.operator, applied, HOLDS)
    writers.apply(writers.operator, applied)
    assert (writers.client.get_object(applied) or {})["metadata"]["finalizers"] == [ANOTHER]
    authored = Authored().add(writers.proxy)
    assert (authored.names, authored.took) == ({HOLDS}, {"gkddddddcx"})
    for path in (stale_path, applied):
        writers.hold(writers.client, path)
        while (next(events)["object"]["metadata"]).get("finalizers"):
            pass
    authored = Authored().add(writers.proxy)
    assert authored.taken["gkddddddbx"] == {ANOTHER}
    assert authored.robbed == set(), "by which the operator has held neither of them"


@pytest.mark.whole
@pytest.mark.parametrize("how", ["update", "patch", "apply"])
def test_finalizer_that_one_replica_takes_away_is_none_that_others_have_taken(writers: Writers, tmp_path: Path, how: str) -> None:
    path = writers.tenant("gkhhhhhhax")
    (tmp_path / "next").mkdir()
    with ProxyProcess.before_cluster(writers.client.config, tmp_path / "next", "proxy") as proxy:
        follower = client_of(proxy)
        watches = [client.watch(TENANTS, {}, HANG_SECONDS) for client in (writers.operator, follower)]
        (writers.apply if how == "apply" else writers.hold)(writers.operator, path, HOLDS)
        writers.delete(path)
        for events in watches:
            while "deletionTimestamp" not in next(events)["object"]["metadata"]:
                pass
        # another one leads from here on; the answer to what ends the object bears the version that was there before
        live = follower.get_object(path)
        assert live is not None
        if how == "apply":
            writers.apply(follower, path)
        elif how == "patch":
            writers.hold(follower, path)
        else:
            live["metadata"]["finalizers"] = None
            writers.write(follower, "PUT", path, live)
        for events in watches:
            while next(events)["type"] != "DELETED":
                pass
        authored = Authored().add(writers.proxy).add(proxy)
    assert authored.taken == {"gkhhhhhhax": {HOLDS}}, "the first one has seen it go"
    assert (authored.took, authored.robbed) == ({"gkhhhhhhax"}, set())


@pytest.mark.whole
def test_request_that_only_takes_a_key_away_has_not_put_it_there(writers: Writers) -> None:
    merged, patched, moved = (f"gkeeeeee{letter}x" for letter in "abc")
    path = f"{CONFIGMAPS}/taken"
    writers.write(writers.operator, "POST", CONFIGMAPS, {"metadata": {"name": "taken"}, "data": {}})
    theirs = {f"theirs.{token}": "1" for token in (merged, patched)}
    writers.write(writers.client, "PATCH", path, {"data": theirs | {f"mine.{patched}": "1"}})
    writers.write(writers.operator, "PATCH", path, {"data": {f"mine.{merged}": None}})
    operations = [
        {"op": "test", "path": f"/data/mine.{patched}", "value": "1"},
        {"op": "remove", "path": f"/data/mine.{patched}"},
        {"op": "add", "path": f"/data/mine.{moved}", "value": "1"},
    ]
    writers.operator.write("PATCH", path, json.dumps(operations).encode(), "application/json-patch+json")
    assert list(Authored().add(writers.proxy).own.values()) == [{moved}]
