"""Removes the planned keys of one map: all of them, or none; what became of it is known, or said to be unknown."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ghostkey.actions.checks import check_plan, check_surroundings, check_values, enumerated
from ghostkey.actions.ownership import give_back, owners_of
from ghostkey.actions.patch import Addition, documents_around, inner_changes, removal, restoration
from ghostkey.actions.plan import key_count, measured, read_map, value_of
from ghostkey.actions.receipts import Receipts
from ghostkey.actions.settle import Differences, compared, settled
from ghostkey.kube.client import ApiClient
from ghostkey.kube.settle import Sleep
from ghostkey.model.errors import (
    AccessDenied,
    AnswerLost,
    ApiFailed,
    OutcomeUnknown,
    PlanOutdated,
    PutBack,
    Refused,
    Unsettled,
    UsageError,
)
from ghostkey.model.history import rfc3339_now
from ghostkey.model.plans import Plan, Receipt, Removed, Share
from ghostkey.store.state import DigestKey

CONFLICT_TRIES = 40
CONFLICT_PAUSE_SECONDS = 0.02
POLICIES = "kubectl get mutatingadmissionpolicies,mutatingwebhookconfigurations"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trim did: the receipt, where it is kept, what went of how much, and how many keys the map has now.

    `notes` are sentences about what could not be done besides.
    """

    receipt: Receipt
    kept_at: str
    keys_left: int
    shares: tuple[Share, ...] = ()
    notes: tuple[str, ...] = ()


def apply_trim(
    client: ApiClient,
    plan: Plan,
    receipts: Receipts,
    key: DigestKey,
    *,
    check_pods: bool = True,
    sleep: Sleep = time.sleep,
) -> Outcome:
    """Removes the planned keys, or changes nothing.

    Raises PlanOutdated naming each key that changed, went, is used by a Pod, or whose subject came back; Refused for an
    immutable map; PutBack when the API server stored something else than planned; OutcomeUnknown when the answer was lost and
    the map cannot be read. The receipt is kept before the write, and says what became of it as far as that is known.
    """
    live = read_map(client, plan.holder.kind, plan.holder.namespace, plan.holder.name)
    check_plan(client, plan, live, key, check_pods=check_pods)
    plan = measured(plan, live)
    write = _Write(client, plan, key, check_pods, sleep)
    for _ in range(CONFLICT_TRIES):
        receipt = _receipt(client, plan, live, receipts)
        kept_at = receipts.save(receipt)
        try:
            answer, differences = write.send(live)
        except _DocumentChangedError as changed:
            # other entries of the document were written: the receipt has to hold what it was before this write
            receipts.note(receipt, "failed")
            live = changed.live
        except _NOT_DONE as error:
            receipts.note(receipt, "failed")
            raise error
        except BaseException as error:
            raise _unsettled(error, receipt, kept_at) from error
        else:
            try:
                return _outcome(client, plan, receipts, receipt, kept_at, answer, differences)
            except Unsettled:
                raise
            except BaseException as error:
                raise _unsettled(error, receipt, kept_at) from error
    raise _too_busy(plan)


def dry_run(client: ApiClient, plan: Plan, key: DigestKey, *, check_pods: bool = True) -> int:
    """Checks what `apply_trim` would and has the API server try the plan without storing it; how many keys would be left.

    Raises what `apply_trim` would.
    """
    live = read_map(client, plan.holder.kind, plan.holder.namespace, plan.holder.name)
    check_plan(client, plan, live, key, check_pods=check_pods)
    _check_return(plan, live)
    for by_test in (True, False):
        patch = removal(plan, live, by_test=by_test)
        try:
            answer = client.write("PATCH", _path(plan), patch.body, patch.content_type, dry_run=True)
        except AnswerLost as lost:
            raise ApiFailed(f"the server's dry run gave no usable answer; nothing was changed: {lost}", lost.hint) from None
        except ApiFailed as error:
            # a server that spells a value otherwise than the test does; see _Write
            if error.status != HTTPStatus.UNPROCESSABLE_ENTITY or patch.strategy == "merge-patch":
                raise
        else:
            break
    differences = compared(plan, answer, live, "version" if patch.strategy == "merge-patch" else "text")
    if differences.there or differences.others:
        said = enumerated({**differences.there, **differences.others})
        raise PutBack(
            f"server dry run: the API server would not store {plan.holder} as planned, nothing was changed: {said}",
            f"an admission policy or webhook changes it: {POLICIES}",
            {**differences.there, **differences.others},
        )
    return key_count(answer)


# what `_Write.send` raises where the API server has refused, or was never asked
_NOT_DONE = (PlanOutdated, Refused, AccessDenied, ApiFailed, UsageError)


def _unsettled(error: BaseException, receipt: Receipt, kept_at: str) -> OutcomeUnknown:
    """Whatever ends a trim behind its receipt leads back to it: a signal, an answer that was lost, a bug of ours."""
    if isinstance(error, OutcomeUnknown):
        said, hint = str(error), error.hint
    elif isinstance(error, KeyboardInterrupt | SystemExit):
        said, hint = f"interrupted while {receipt.holder} was being written: whether it was is not known", ""
    else:
        said, hint = f"{receipt.holder} was being written when this went wrong: {error or type(error).__name__}", ""
    return OutcomeUnknown(said, hint, receipt.id, kept_at)


class _Write:
    """The patch of one plan, sent until the API server takes or refuses it."""

    def __init__(self, client: ApiClient, plan: Plan, key: DigestKey, check_pods: bool, sleep: Sleep) -> None:
        self._client, self._plan, self._key = client, plan, key
        self._check_pods, self._sleep = check_pods, sleep

    def send(self, live: dict[str, Any]) -> tuple[dict[str, Any], Differences]:
        """The map after the write, and how it differs from the plan.

        On a conflict everything is checked again, and while the planned keys are as they were it is tried once more.
        """
        plan, by_test = self._plan, True
        for attempt in range(CONFLICT_TRIES):
            patch = removal(plan, live, by_test=by_test)
            try:
                answer = self._client.write("PATCH", _path(plan), patch.body, patch.content_type)
            except AnswerLost as lost:
                return self._after(lost, live)
            except ApiFailed as error:
                # 409: another version. 422: a test of a JSON patch failed, which never says which one.
                if error.status not in {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}:
                    raise
                last = error
            else:
                return answer, compared(plan, answer, live, "version" if patch.strategy == "merge-patch" else "text")
            # pause and look around first, then read and write without delay: the shorter the way between them, the fewer conflicts
            self._sleep(CONFLICT_PAUSE_SECONDS * random.random() * min(attempt + 1, 5))
            check_surroundings(self._client, plan, check_pods=self._check_pods)
            now = read_map(self._client, plan.holder.kind, plan.holder.namespace, plan.holder.name)
            check_values(plan, now, self._key)
            if any(now[field][top] != live[field][top] for field, top in inner_changes(plan)):
                raise _DocumentChangedError(now)
            live = now
            if last.status == HTTPStatus.UNPROCESSABLE_ENTITY:
                if patch.strategy == "merge-patch":
                    raise last
                # The values are as planned, so this server spells them otherwise than the test does: go by version instead.
                by_test = False
        raise _too_busy(plan)

    def _after(self, lost: AnswerLost, before: dict[str, Any]) -> tuple[dict[str, Any], Differences]:
        plan = self._plan

        def is_untouched(live: Mapping[str, Any]) -> bool:
            return all(value_of(live, change) is not None for change in plan.changes)

        live = settled(self._client, plan.holder, lost, is_untouched, self._sleep)
        if is_untouched(live):
            raise ApiFailed(
                f"{lost}; {plan.holder} was read again and has every planned key: nothing is gone"
                + ("" if lost.is_final else " so far, and a request that is held up on its way may still arrive"),
                "try again" if lost.is_final else "look again before you try again: ghostkey undo --list tells what became of it",
                lost.status,
            )
        return live, compared(plan, live, before, "nothing")


class _DocumentChangedError(Exception):
    """Somebody wrote other entries of a document between reading and writing it; `live` is the map now."""

    def __init__(self, live: dict[str, Any]) -> None:
        super().__init__()
        self.live = live


def _outcome(
    client: ApiClient,
    plan: Plan,
    receipts: Receipts,
    receipt: Receipt,
    kept_at: str,
    answer: dict[str, Any],
    differences: Differences,
) -> Outcome:
    is_none_gone = len(differences.there) == len(plan.changes)
    state = "failed" if is_none_gone else "applied"
    version = str(answer["metadata"]["resourceVersion"])
    notes = [receipts.note(receipt, state, version)]
    if differences.meanwhile:
        notes.append(f"besides, by a policy or another writer, and not in the receipt: {enumerated(differences.meanwhile)}")
    if differences.there or differences.others:
        gone = len(plan.changes) - len(differences.there)
        raise PutBack(
            f"{plan.holder} is not as planned, {gone:,} of {len(plan.changes):,} planned keys are gone: "
            + enumerated({**differences.there, **differences.others}),
            f"an admission policy or webhook (or a writer that was faster) changed it: {POLICIES}",
            {**differences.there, **differences.others},
            "" if is_none_gone else receipt.id,
            "" if is_none_gone else kept_at,
        )
    # a document that lost entries was written by us, and is still its owner's
    notes.append(give_back(client, plan.holder, answer, receipt.owners, inner_changes(plan)))
    done = dataclasses.replace(receipt, state=state, resource_version=version)
    return Outcome(done, kept_at, key_count(answer), plan.shares, tuple(filter(None, notes)))


def _receipt(client: ApiClient, plan: Plan, live: Mapping[str, Any], receipts: Receipts) -> Receipt:
    _check_return(plan, live)
    created_at = rfc3339_now(is_exact=True)
    spots = [(change.field, change.path[0] if change.path else change.key) for change in plan.changes]
    return Receipt(
        id=receipts.new_id(created_at),
        server=client.config.server,
        holder=plan.holder,
        strategy=plan.strategy,
        removed=_removed(live, plan),
        created_at=created_at,
        owners=owners_of(live, spots),
    )


def _removed(live: Mapping[str, Any], plan: Plan) -> tuple[Removed, ...]:
    """What the receipt has to hold. For entries of a document: each entry, and the document before and after."""
    removed = []
    for change in plan.changes:
        value = value_of(live, change)
        assert value is not None
        removed.append(Removed(change.field, change.key, change.path, value))
    for field, top, before, after in documents_around(plan, live):
        removed.append(Removed(field, top, ("", "before"), before))
        removed.append(Removed(field, top, ("", "after"), after))
    return tuple(removed)


def _check_return(plan: Plan, live: Mapping[str, Any]) -> None:
    """Raises Refused for what could be removed, but not be put back by one request."""
    missing = [Removed(c.field, c.key, (), live[c.field][c.key]) for c in plan.changes if not c.path]
    texts = {(field, key): (after, before) for field, key, before, after in documents_around(plan, live)}
    try:
        restoration(plan.holder, Addition(missing, texts), live)
    except Refused as error:
        raise Refused(f"what this plan removes could not be put back: {error}", error.hint) from None


def _too_busy(plan: Plan) -> PlanOutdated:
    return PlanOutdated(
        f"{plan.holder} was written by somebody else {CONFLICT_TRIES} times in a row; nothing was changed",
        "try again when the map is less busy",
    )


def _path(plan: Plan) -> str:
    return plan.holder.kind.path(plan.holder.namespace, plan.holder.name)
