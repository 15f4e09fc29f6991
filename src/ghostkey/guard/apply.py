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
from ghostkey.guard.plan import Step
from ghostkey.guard.receipts import GuardReceipt, GuardReceipts
from ghostkey.kube.client import ApiClient
from ghostkey.model.errors import ApiFailed, GhostkeyError, PlanOutdated

FIELD_MANAGER = "ghostkey-guard"
SERVED_SECONDS = 60.0  # for a new kind to be served
PAUSE_SECONDS = 0.1
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


def apply_steps(client: ApiClient, steps: Sequence[Step], receipts: GuardReceipts) -> GuardReceipt:
    """Carries out all steps, or takes back those that were carried out. The receipt is kept before the first one.

    Raises PlanOutdated where an object is not any more what was planned on, AccessDenied and ApiFailed as the API server says.
    """
    now = datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")
    receipt = GuardReceipt(receipts.new_id(now), client.config.server, now, tuple(steps), ())
    receipts.save(receipt)
    done: list[Step] = []
    try:
        for step in steps:
            stored = _sent_when_known(client, step)
            done.append(dataclasses.replace(step, after=stored))
            receipt = dataclasses.replace(receipt, done=tuple(done))
            receipts.save(receipt)
            if step.path == objects.CRD_PATH and step.after is not None:
                _wait_until_served(client)
    except GhostkeyError:
        undo_steps(client, done)
        receipts.save(dataclasses.replace(receipt, state="failed"))
        raise
    receipt = dataclasses.replace(receipt, state="applied")
    receipts.save(receipt)
    return receipt


def undo(client: ApiClient, receipt: GuardReceipt, receipts: GuardReceipts) -> int:
    """Puts every object back as it was before; how many. Raises PlanOutdated where one was changed meanwhile."""
    for step in receipt.done:
        live = client.get_object(f"{step.path}/{step.name}")
        if (live is None) != (step.after is None) or (live and step.after and live["spec"] != step.after["spec"]):
            raise PlanOutdated(f"{step} was changed since, nothing was undone", "ghostkey guard status shows what is there now")
    count = undo_steps(client, receipt.done)
    receipts.save(dataclasses.replace(receipt, state="undone"))
    return count


def undo_steps(client: ApiClient, done: Sequence[Step]) -> int:
    """Takes back what was carried out, the last step first."""
    for step in reversed(done):
        live = client.get_object(f"{step.path}/{step.name}")
        before = step.before
        if before is not None and live is not None:
            restored = copy.deepcopy(live)
            restored["spec"] = before["spec"]
            _send(client, Step(step.path, step.name, live, restored))
        elif before is not None or live is not None:
            _send(client, Step(step.path, step.name, live, before))
        if step.path == objects.CRD_PATH and before is not None:
            _wait_until_served(client)
    return len(done)


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
