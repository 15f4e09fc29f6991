"""Errors on which a caller acts differently; each carries its facts and the next thing to do."""

from __future__ import annotations

import errno

PLACES = 40  # of an error that are told


def with_extra(extra: str) -> str:
    """The hint for what an extra of the package brings: by the place it was installed from, for its name may be anybody's elsewhere."""
    return f"install ghostkey with its extra {extra}, where you had it from: pip install '.[{extra}]' in a checkout"


class GhostkeyError(Exception):
    """What failed on what, in the other side's words; `hint` is the next command."""

    exit_code = 5

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(GhostkeyError):
    """The words of the command were off."""

    exit_code = 2


class AccessDenied(GhostkeyError):
    """The API server said 401 or 403."""

    exit_code = 3

    def __init__(self, message: str, hint: str = "", status: int = 403) -> None:
        super().__init__(message, hint)
        self.status = status


class SourceDamaged(GhostkeyError):
    """A file could not be read as what it claims to be."""


class NoSuchPath(SourceDamaged):
    """A file or folder that was named is not there: a slip of the pen, as any other wrong word of a command."""

    exit_code = 2


def unreadable(path: object, error: OSError, hint: str = "") -> SourceDamaged:
    """The error for a file that could not be opened: a slip of the pen where no file is called so, else what the system says."""
    sort = NoSuchPath if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.EISDIR} else SourceDamaged
    return sort(f"cannot read {path}: {error.strerror or error}", hint)


class ApiFailed(GhostkeyError):
    """The API server answered with an error, or did not answer. `status` is 0 when there was no answer."""

    def __init__(self, message: str, hint: str = "", status: int = 0, reason: str = "") -> None:
        super().__init__(message, hint)
        self.status = status
        self.reason = reason


class NotFound(ApiFailed):
    """What was named is not there: a slip of the pen, as any other wrong word of a command."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint, status=404)


class NotAsked(ApiFailed):
    """A server's answer is not what was asked for: a login page, another kind, nothing."""


class PlanOutdated(GhostkeyError):
    """The world is not as the plan expects; nothing was changed. `keys` names what differs, and why."""

    exit_code = 4

    def __init__(self, message: str, hint: str = "", keys: dict[str, str] | None = None) -> None:
        super().__init__(message, hint)
        self.keys = keys or {}


class Refused(GhostkeyError):
    """ghostkey will not do this, on purpose; the hint says what would work. Nothing was changed."""


class AnswerLost(ApiFailed):
    """A write was sent, and no answer says what became of it: it may have been carried out.

    `is_final` says that the API server itself has answered, with an error: the request is not on its way any more.
    """

    is_final = False


class Unsettled(GhostkeyError):
    """A trim or undo that was sent, and of which not all is as planned; `receipt_id` and `kept_at` lead back."""

    def __init__(self, message: str, hint: str = "", receipt_id: str = "", kept_at: str = "") -> None:
        super().__init__(message, hint)
        self.receipt_id = receipt_id
        self.kept_at = kept_at


class OutcomeUnknown(Unsettled):
    """Whether a write was carried out cannot be known: its answer was lost, and the object cannot be read."""

    exit_code = 6


class PutBack(Unsettled):
    """The API server took the write, and what is stored is not what was planned; `keys` names the differences."""

    exit_code = 4

    def __init__(
        self, message: str, hint: str = "", keys: dict[str, str] | None = None, receipt_id: str = "", kept_at: str = ""
    ) -> None:
        super().__init__(message, hint, receipt_id, kept_at)
        self.keys = keys or {}


def place_of(error: BaseException) -> str:
    """What sort of error it is and where it was raised; never what it says, which may quote a value."""
    ours = [place for place in places_of(error) if place.startswith("ghostkey/")]
    return f"{type(error).__name__} at {ours[-1]}" if ours else type(error).__name__


def places_of(error: BaseException) -> list[str]:
    """The places that an error came through, the last one where it was raised; without what any of them holds."""
    found = []
    frames = error.__traceback__
    while frames is not None:
        file = frames.tb_frame.f_code.co_filename.replace("\\", "/")
        _, is_ours, rest = file.rpartition("/ghostkey/")
        name = f"ghostkey/{rest}" if is_ours else "/".join(file.split("/")[-2:])
        found.append(f"{name}:{frames.tb_lineno} in {frames.tb_frame.f_code.co_name}")
        frames = frames.tb_next
    # an endless recursion comes through one place a thousand times
    return found if len(found) <= PLACES else [*found[: PLACES // 2], "…", *found[-PLACES // 2 :]]
