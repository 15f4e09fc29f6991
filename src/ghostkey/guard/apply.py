"""Carries out the steps of a guard, each under the version that was planned on, and takes them back by a receipt."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from ghostkey.guard import objects
from ghostkey.guard.plan import Step, all_caps, overlaid
from ghostkey.guard.receipts import GuardReceipt, GuardReceipts
from ghostkey.kube.client import ApiClient
from ghostkey.kube.settle import CALM_SECONDS, PAUSE_SECONDS, Sleep, read_after, uid_of
from ghostkey.model.errors import AnswerLost, ApiFailed, GhostkeyError, OutcomeUnknown, PlanOutdated

FIELD_MANAGER = "ghostkey-guard"
SERVED_SECONDS = 60.0  # for a new kind to be served
_SHARED = frozenset({objects.CRD_PATH, objects.POLICY_PATH, objects.BINDING_PATH})  # by the caps of all namespaces
_EARLY = ("of the referenced paramKind", "unable to get policy")


def dry_run(client: ApiClient, steps: Sequence[Step]) -> None:
    """Has the API server try each step without storing it. Raises what applying would.

    Caps cannot be tried before their kind is served, nor by most users what names it: they are when the guard is there.
    """
    is_new = any(step.path == objects.CRD_PATH and step.before is None for step in steps)
    for step in steps:
        if is_new and objects.GROUP in step.path:
            continue
        try:
            _send(client, step, dry_run=True)
        except ApiFailed as error:
            if not (is_new and _is_early(error)):
                raise


def apply_steps(client: ApiClient, steps: Sequence[Step], receipts: GuardReceipts, sleep: Sleep = time.sleep) -> GuardReceipt:
    """Carries out all steps, or takes back those that were. The receipt names each step before it is sent.

    Raises PlanOutdated where an object is not any more what was planned on, AccessDenied and ApiFailed as the API server says; then
    everything is as it was. OutcomeUnknown, with the receipt, where that cannot be said: the receipt then stays pending.
    """
    now = datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")
    receipt = GuardReceipt(receipts.new_id(now), client.config.server, now, tuple(steps), ())
    kept_at = str(receipts.save(receipt))
    try:
        for number, step in enumerate(steps):
            receipt = dataclasses.replace(receipt, begun=number + 1)
            receipts.save(receipt)
            stored = _carried_out(client, step, sleep)
            receipt = dataclasses.replace(receipt, done=(*receipt.done, dataclasses.replace(step, after=stored)))
            receipts.save(receipt)
            if step.path == objects.CRD_PATH and step.after is not None:
                _wait_until_served(client)
    except BaseException as error:
        if isinstance(error, GhostkeyError) and not isinstance(error, OutcomeUnknown):
            error = _taken_back(client, receipt, receipts, error, sleep)
        if isinstance(error, GhostkeyError) and not isinstance(error, OutcomeUnknown):
            raise error from None
        raise OutcomeUnknown(_said(error), getattr(error, "hint", ""), receipt.id, kept_at) from error
    receipt = dataclasses.replace(receipt, state="applied")
    receipts.save(receipt)
    return receipt


def _taken_back(
    client: ApiClient, receipt: GuardReceipt, receipts: GuardReceipts, error: GhostkeyError, sleep: Sleep
) -> BaseException:
    """Takes back what was carried out before a step failed; the error to raise, which is another where that failed as well."""
    try:
        # what caps of somebody else have come to stand on meanwhile stays
        kept = _SHARED if others_on(client, receipt.done) else frozenset()
        _put_back(client, [step for step in receipt.done if step.path not in kept], sleep)
        receipts.save(dataclasses.replace(receipt, state="failed"))
    except BaseException as worse:  # noqa: BLE001 (the receipt stays pending, and its undo says what is there)
        return OutcomeUnknown(f"{_said(error)}; and what was done before could not be taken back: {_said(worse)}", error.hint)
    return error


def _said(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return "interrupted while the guard was being written: how much of it was is not known"
    return str(error) if isinstance(error, GhostkeyError) else f"the guard was being written when this went wrong: {error!r}"


def undo(client: ApiClient, receipt: GuardReceipt, receipts: GuardReceipts, sleep: Sleep = time.sleep) -> int:
    """Puts every object back as it was before; how many had to be. May be run again: what is as it was already is left alone.

    Raises PlanOutdated where one was changed meanwhile, or where caps of a later apply stand on what would go, and then changes
    nothing; OutcomeUnknown, with the receipt, where it cannot be said what is there.
    """
    changed = []
    for step in receipt.touched:
        now = _state(_live(client, step), step)
        if now is None:
            raise PlanOutdated(f"{step} was changed since, nothing was undone", "ghostkey guard status shows what is there now")
        if now == "after":
            changed.append(step)
    if others := others_on(client, changed):
        raise PlanOutdated(
            f"caps of {', '.join(others[:5])}{', …' if len(others) > 5 else ''} came since and would go with it, nothing was undone",
            "ghostkey guard undo takes the latest back first; ghostkey guard remove takes all of it away",
        )
    try:
        _put_back(client, changed, sleep)
    except OutcomeUnknown as error:
        kept_at = str(receipts.directory / f"{receipt.id}.guard")
        raise OutcomeUnknown(str(error), error.hint, receipt.id, kept_at) from None
    receipts.save(dataclasses.replace(receipt, state="undone"))
    return len(changed)


def others_on(client: ApiClient, steps: Sequence[Step]) -> list[str]:
    """Namespaces whose caps are none of these steps, and which would be without effect, or go, once what the steps made is gone."""
    if not any(step.path in _SHARED and step.before is None for step in steps):
        return []
    own = {step.path for step in steps}
    found = (str(item["metadata"]["namespace"]) for item in all_caps(client))
    return sorted(namespace for namespace in found if objects.caps_path(namespace) not in own)


def _put_back(client: ApiClient, done: Sequence[Step], sleep: Sleep) -> None:
    """Takes back what was carried out, the last step first."""
    for step in reversed(done):
        live, before = _live(client, step), step.before
        if before is not None and live is not None:
            restored = copy.deepcopy(live)
            restored["spec"] = before["spec"]
            _carried_out(client, Step(step.path, step.name, live, restored), sleep)
        elif before is not None or live is not None:
            _carried_out(client, Step(step.path, step.name, live, before), sleep)
        if step.path == objects.CRD_PATH and before is not None:
            _wait_until_served(client)


def _carried_out(client: ApiClient, step: Step, sleep: Sleep) -> dict[str, Any] | None:
    """Sends a step; the object as it is stored. Where the answer is lost, the object is read again until it tells.

    Raises ApiFailed where it is as it was before, and OutcomeUnknown where it is neither that nor as planned, or cannot be read.
    """
    try:
        return _sent_when_known(client, step)
    except AnswerLost as error:
        lost = error
    calm = time.monotonic() + CALM_SECONDS
    while True:
        live = read_after(lambda: _live(client, step), str(step), lost, sleep)
        now = _state(live, step)
        if now == "after":
            if step.after is None:
                assert step.before is not None
                _wait_until_gone(client, step, uid_of(step.before))
                return None
            return live
        if now is None:
            raise OutcomeUnknown(f"{lost}; and {step.name} was changed by somebody else since")
        if lost.is_final or time.monotonic() > calm:
            break
        sleep(PAUSE_SECONDS)
    raise ApiFailed(
        f"{lost}; {step.name} was read again and is as it was"
        + ("" if lost.is_final else " so far, and a request that is held up on its way may still arrive"),
        "try again" if lost.is_final else "look again before you try again: ghostkey guard status",
        lost.status,
    )


def _live(client: ApiClient, step: Step) -> dict[str, Any] | None:
    """The object of a step as it is; caps are not there where their kind is not."""
    if objects.GROUP in step.path and client.get_object(f"{objects.CRD_PATH}/{objects.DEFINITION}") is None:
        return None
    return client.get_object(f"{step.path}/{step.name}")


def _state(live: dict[str, Any] | None, step: Step) -> str | None:
    """Whether an object is as `after` a step or as `before` it; None where it is neither.

    An object that goes may be there still, with the time at which that began: to whoever asks it is gone.
    """
    if live is not None and step.after is None and step.before is not None and uid_of(live) == uid_of(step.before):
        return "after" if live["metadata"].get("deletionTimestamp") else "before"
    for name, wanted in (("after", step.after), ("before", step.before)):
        if live is None or wanted is None:
            if live is wanted:
                return name
        elif overlaid(live["spec"], wanted["spec"]) == live["spec"]:
            return name
    return None


def _send(client: ApiClient, step: Step, *, dry_run: bool = False) -> dict[str, Any] | None:
    """One write, under the version and uid that the step begins with; the object as it is stored."""
    try:
        if step.after is None:
            assert step.before is not None
            metadata = step.before["metadata"]
            if not dry_run:
                client.delete(f"{step.path}/{step.name}", str(metadata["uid"]), str(metadata["resourceVersion"]))
                _wait_until_gone(client, step, str(metadata["uid"]))
            return None
        if step.before is None:
            made = copy.deepcopy(step.after)
            for server_set in ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"):
                made["metadata"].pop(server_set, None)
            made.pop("status", None)
            return client.write("POST", step.path, msgspec.json.encode(made), dry_run=dry_run, field_manager=FIELD_MANAGER)
        body = msgspec.json.encode(step.after)
        return client.write("PUT", f"{step.path}/{step.name}", body, dry_run=dry_run, field_manager=FIELD_MANAGER)
    except ApiFailed as error:
        if error.status == HTTPStatus.CONFLICT:
            raise PlanOutdated(f"{step}: it was changed meanwhile: {error}", "plan again") from None
        raise


def _sent_when_known(client: ApiClient, step: Step) -> dict[str, Any] | None:
    """As `_send`; again where the API server has not yet heard of the kind, or of the policy, that was written just before.

    Whether a user may name them is then asked for everything there is, which only an administrator may.
    """
    deadline = time.monotonic() + SERVED_SECONDS
    while True:
        try:
            return _send(client, step)
        except ApiFailed as error:
            if not _is_early(error) or time.monotonic() > deadline:
                raise
        time.sleep(PAUSE_SECONDS)


def _is_early(error: ApiFailed) -> bool:
    return error.status == HTTPStatus.UNPROCESSABLE_ENTITY and any(words in str(error) for words in _EARLY)


def _wait_until_gone(client: ApiClient, step: Step, uid: str) -> None:
    """Returns when an object is gone: a kind takes its objects with it, and until then nobody can define it anew."""
    deadline = time.monotonic() + SERVED_SECONDS
    while (live := client.get_object(f"{step.path}/{step.name}")) is not None and live["metadata"]["uid"] == uid:
        if time.monotonic() > deadline:
            raise ApiFailed(f"{step} was asked for, and after {SERVED_SECONDS:.0f} s it is still there", "ghostkey guard status")
        time.sleep(PAUSE_SECONDS)


def _wait_until_served(client: ApiClient) -> None:
    """Returns when caps can be written: a kind that was just defined is served a moment later."""
    deadline = time.monotonic() + SERVED_SECONDS
    while True:
        try:
            client.get(f"/apis/{objects.GROUP}/{objects.VERSION}/{objects.PLURAL}", {"limit": "1"})
        except ApiFailed as error:
            if error.status != HTTPStatus.NOT_FOUND or time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_SECONDS)
        else:
            return
