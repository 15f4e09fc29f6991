"""Puts back what a trim removed, and touches no other key."""

from __future__ import annotations

import datetime
import json
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ghostkey.actions import documents
from ghostkey.actions.checks import enumerated
from ghostkey.actions.ownership import give_back
from ghostkey.actions.patch import Addition, restoration
from ghostkey.actions.plan import check_mutable
from ghostkey.actions.receipts import Receipts
from ghostkey.actions.settle import settled
from ghostkey.actions.trim import CONFLICT_PAUSE_SECONDS, CONFLICT_TRIES, POLICIES
from ghostkey.kube.client import ApiClient
from ghostkey.kube.settle import Sleep
from ghostkey.model.errors import (
    AnswerLost,
    ApiFailed,
    GhostkeyError,
    NotFound,
    OutcomeUnknown,
    PlanOutdated,
    PutBack,
    Refused,
)
from ghostkey.model.nearest import meant_map
from ghostkey.model.plans import Receipt, Removed
from ghostkey.model.refs import Kind, ObjectRef

_IS_FULL = "may not be more than"  # Source: Kubernetes pkg/apis/core/validation, of more values than 1 MiB
_FULL = "the map has grown since, and has no room for them; nothing was changed: take others out first, then run the undo again"
LATE = datetime.timedelta(minutes=5)  # API servers and load balancers give a request up after one


@dataclass(frozen=True, slots=True)
class Restored:
    """What an undo did: how many keys it put back, how many were there already, and what could not be done besides."""

    receipt: Receipt
    restored: int
    present: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Todo:
    """A receipt against the map: what to add, for which keys and entries, how many are there, and which have another value."""

    addition: Addition
    keys: tuple[str, ...]
    present: int
    changed: Mapping[str, str]

    @property
    def spots(self) -> list[tuple[str, str]]:
        return [(item.field, item.key) for item in self.addition.missing] + list(self.addition.documents)


def apply_undo(
    client: ApiClient, receipt: Receipt, receipts: Receipts, *, from_elsewhere: bool = False, sleep: Sleep = time.sleep
) -> Restored:
    """Restores every byte the receipt holds; harmless when it has been done already.

    Raises PlanOutdated naming the keys that were written again with another value, or when the map itself is gone or
    another one of the same name (nothing is changed then); Refused for a receipt that this machine has not sealed, unless
    `from_elsewhere`; PutBack when the API server took the keys out again; OutcomeUnknown when the answer was lost and the map
    cannot be read.
    """
    if not receipt.is_ours and not from_elsewhere:
        raise Refused(
            f"receipt {receipt.id} is from elsewhere: this machine's key has not sealed it, so what it puts into "
            f"{receipt.holder} is a stranger's word; nothing was changed",
            f"look at what it holds, then add --from-elsewhere: ghostkey undo {receipt.id}",
        )
    by_test = True
    for attempt in range(CONFLICT_TRIES):
        live = _read(client, receipt)
        todo = _todo(receipt, live)
        if todo.changed:
            raise PlanOutdated(
                f"cannot undo {receipt.id} on {receipt.holder}, nothing was changed: {enumerated(todo.changed)}",
                "decide by hand which value is right; the old ones are in the receipt",
                dict(todo.changed),
            )
        if not todo.keys:
            return Restored(receipt, 0, todo.present, _notes(receipts.note(receipt, "undone")))
        check_mutable(receipt.holder.kind, live, is_undo=True)
        patch = restoration(receipt.holder, todo.addition, live, by_test=by_test)
        try:
            answer = client.write("PATCH", _path(receipt), patch.body, patch.content_type)
        except AnswerLost as lost:
            answer = _after(client, receipt, todo, lost, sleep)
        except ApiFailed as error:
            if error.status not in {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}:
                raise
            if error.status == HTTPStatus.UNPROCESSABLE_ENTITY:
                if patch.strategy == "merge-patch":
                    error.hint = error.hint or (_FULL if _IS_FULL in str(error) else "")
                    raise
                # a key came back meanwhile, which the next look tells; or the server spells a document otherwise
                by_test = False
            sleep(CONFLICT_PAUSE_SECONDS * random.random() * min(attempt + 1, 5))
            continue
        except (KeyboardInterrupt, SystemExit):
            raise OutcomeUnknown(f"interrupted while {receipt.holder} was being written", "", receipt.id) from None
        _check_stored(receipt, todo, answer)
        notes = _notes(
            receipts.note(receipt, "undone", str(answer["metadata"]["resourceVersion"])),
            give_back(client, receipt.holder, answer, receipt.owners, todo.spots),
        )
        return Restored(receipt, len(todo.keys), todo.present, notes)
    raise PlanOutdated(
        f"{receipt.holder} was written by somebody else {CONFLICT_TRIES} times in a row; nothing was changed",
        "try again when the map is less busy",
    )


# which receipt


def meant_receipt(named: tuple[Kind, str, str], holders: Iterable[ObjectRef]) -> str:
    """What may have been meant by a map that has no receipt, of those that have one; empty where nothing is like it."""
    kind, namespace, name = named
    alike = [holder for holder in holders if holder.kind == kind]
    here = [holder.name for holder in alike if holder.namespace == namespace]
    return meant_map(name, here, [holder.namespace for holder in alike if holder.name == name])


@dataclass(frozen=True, slots=True)
class Candidates:
    """The receipts of one place that an undo without an id may mean: of trims of this cluster, and of one map when that is named."""

    client: ApiClient
    receipts: Receipts
    map: tuple[Kind, str, str] | None = None  # kind, namespace, name

    def latest(self) -> Receipt | None:
        """The latest trim that is in force; None when every trim has been undone.

        A receipt that is still "pending" is told by the map: where its keys are all there, its write never went out.
        Raises GhostkeyError when there is no receipt of this cluster at all, or one that cannot be read lies before it.
        """
        elsewhere: list[Receipt] = []
        is_any = False
        for receipt in self.receipts.newest_first():
            if isinstance(receipt, GhostkeyError):
                raise receipt
            if not self._is_meant(receipt):
                continue
            if receipt.server != self.client.config.server or not receipt.is_ours:
                elsewhere.append(receipt)
                continue
            is_any = True
            if receipt.state == "undone" or (receipt.state == "failed" and not _is_recent(receipt)):
                continue
            if self._is_in_force(receipt):
                return receipt
        if not is_any:
            raise self._nothing(elsewhere)
        return None

    def _is_meant(self, receipt: Receipt) -> bool:
        holder = receipt.holder
        return self.map is None or self.map == (holder.kind, holder.namespace, holder.name)

    def _is_in_force(self, receipt: Receipt) -> bool:
        """Whether a trim was carried out, and not undone: as its receipt says, else as the map tells."""
        if receipt.state == "applied":
            return True
        try:
            todo = _todo(receipt, _read(self.client, receipt))
        except PlanOutdated:
            return False  # the map itself is gone, and takes no key back
        # a request that was held up on its way takes all keys at once, or none
        return bool(todo.keys) and (receipt.state == "pending" or not todo.present)

    def _nothing(self, elsewhere: list[Receipt]) -> GhostkeyError:
        what = f"no receipts in {self.receipts}" + (f" of {self.map[0].kind} {self.map[1]}/{self.map[2]}" if self.map else "")
        if not elsewhere:
            hint = "ghostkey undo --list shows what there is; trim --apply prints the id of each"
            if self.map:
                known = [one.holder for one in self.receipts.newest_first() if isinstance(one, Receipt)]
                hint = f"{meant_receipt(self.map, known)}; {hint}".removeprefix("; ")
            return NotFound(what, hint) if self.map else GhostkeyError(what, hint)
        first = elsewhere[0]
        if first.server != self.client.config.server:
            return Refused(
                f"{what} are of this cluster; the latest, {first.id}, is of another one: {first.server}",
                f"choose that cluster with --context, or name the receipt: ghostkey undo {first.id}",
            )
        return Refused(
            f"{what} are this machine's; the latest from elsewhere is {first.id}, for {first.holder}",
            f"look at it: ghostkey undo {first.id}; then add --from-elsewhere",
        )


def _is_recent(receipt: Receipt) -> bool:
    """Whether a request that was held up on its way could have arrived after it was given up."""
    try:
        age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(receipt.created_at)
    except (ValueError, TypeError):
        return False
    return age < LATE


def list_receipts(receipts: Receipts, named: tuple[Kind, str, str] | None = None) -> Iterator[Receipt | GhostkeyError]:
    """All receipts, of one map when it is named, the latest first."""
    for receipt in receipts.newest_first():
        if (
            isinstance(receipt, GhostkeyError)
            or named is None
            or named == (receipt.holder.kind, receipt.holder.namespace, receipt.holder.name)
        ):
            yield receipt


# one receipt against the map


def _read(client: ApiClient, receipt: Receipt) -> dict[str, Any]:
    holder = receipt.holder
    live = client.get_object(_path(receipt))
    if live is not None and live["metadata"]["uid"] == holder.uid:
        return live
    elsewhere = receipt.server != client.config.server
    if elsewhere:
        raise PlanOutdated(
            f"{holder} of receipt {receipt.id} is not in this cluster ({client.config.server}); nothing was changed",
            f"it was trimmed at {receipt.server}: choose that cluster with --context",
        )
    fate = "is gone" if live is None else "was deleted and made again"
    raise PlanOutdated(f"{holder} {fate} since the trim; nothing was changed", f"its values are in the receipt: {receipt.id}")


def _todo(receipt: Receipt, live: Mapping[str, Any]) -> _Todo:
    """What the map lacks of a receipt."""
    gone: list[Removed] = []
    names: list[str] = []
    present = 0
    changed: dict[str, str] = {}
    for item in receipt.removed:
        if item.path:
            continue
        now = (live.get(item.field) or {}).get(item.key)
        if now is None:
            gone.append(item)
            names.append(item.key)
        elif now == item.value:
            present += 1
        else:
            changed[item.key] = "was written again with another value"
    texts: dict[tuple[str, str], tuple[str, str]] = {}
    for (field, key), (before, after) in _documents(receipt).items():
        now = (live.get(field) or {}).get(key)
        entries = [item for item in receipt.removed if item.field == field and item.path[:1] == (key,)]
        if now == before:
            present += len(entries)
        elif now == after:
            texts[field, key] = (now, before)
            names += ["/".join((*item.path, item.key)) for item in entries]
        elif now is None:
            changed[key] = "is gone, and its entries with it"
        else:
            lacking, restored = _merged(receipt, now, entries, changed)
            present += len(entries) - len(lacking)
            if restored != now:
                texts[field, key] = (now, restored)
            names += lacking
    return _Todo(Addition(gone, texts), tuple(names), present, changed)


def _documents(receipt: Receipt) -> dict[tuple[str, str], tuple[str, str]]:
    """Text before and after of each document that lost entries."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for item in receipt.removed:
        if item.path[:1] == ("",):
            found.setdefault((item.field, item.key), {})[item.path[1]] = item.value
    return {spot: (texts["before"], texts["after"]) for spot, texts in found.items()}


def _merged(receipt: Receipt, now: str, entries: list[Removed], changed: dict[str, str]) -> tuple[list[str], str]:
    """The entries that a document which was written since the trim lacks, and the document with them added."""
    lacking: list[str] = []
    additions: dict[tuple[str, ...], dict[str, str]] = {}
    for item in entries:
        name = "/".join((*item.path, item.key))
        try:
            value = documents.entry_text(now, item.path[1:], item.key)
        except KeyError:
            additions.setdefault(item.path[1:], {})[item.key] = item.value
            lacking.append(name)
            continue
        if json.loads(value) != json.loads(item.value):
            changed[name] = "was written again with another value"
    for path, added in additions.items():
        try:
            now = documents.with_entries(now, path, added)
        except KeyError:
            changed["/".join((*entries[0].path[:1], *path))] = "is no mapping any more"
        except Refused as refused:
            changed[entries[0].path[0]] = f"was written by somebody else since the trim, and {refused}"
    return lacking, now


# what became of it


def _after(client: ApiClient, receipt: Receipt, todo: _Todo, lost: AnswerLost, sleep: Sleep) -> dict[str, Any]:
    """The map once it shows what became of an undo; raises ApiFailed when nothing came back."""

    def is_untouched(live: Mapping[str, Any]) -> bool:
        return len(_not_back(receipt, live)) >= len(todo.keys)

    try:
        live = settled(client, receipt.holder, lost, is_untouched, sleep)
    except OutcomeUnknown as error:
        raise OutcomeUnknown(str(error), error.hint, receipt.id) from None
    if is_untouched(live):
        raise ApiFailed(
            f"{lost}; {receipt.holder} was read again and still lacks every key: nothing is back",
            f"try again: ghostkey undo {receipt.id}",
            lost.status,
        )
    return live


def _not_back(receipt: Receipt, live: Mapping[str, Any]) -> tuple[str, ...]:
    todo = _todo(receipt, live)
    return (*todo.keys, *todo.changed)


def _check_stored(receipt: Receipt, todo: _Todo, answer: Mapping[str, Any]) -> None:
    if lacking := _not_back(receipt, answer):
        raise PutBack(
            f"{receipt.holder} is not as it was, {len(lacking):,} of {len(todo.keys):,} keys are not back: "
            + enumerated(dict.fromkeys(lacking, "is not there as it was")),
            f"an admission policy or webhook (or a writer that was faster) changed it: {POLICIES}",
            dict.fromkeys(lacking, "is not there as it was"),
            receipt.id,
        )


def _notes(*sentences: str) -> tuple[str, ...]:
    return tuple(filter(None, sentences))


def _path(receipt: Receipt) -> str:
    return receipt.holder.kind.path(receipt.holder.namespace, receipt.holder.name)
