"""What can go wrong between us and another process."""

from __future__ import annotations

from ghostkey.model.errors import GhostkeyError


class MemoryFault(GhostkeyError):
    """Memory that was to be read is not there (any more). Inside this room it costs a map, not a census."""


class NoSuchProcess(GhostkeyError):
    """No process has this number, or it ended while it was read."""

    exit_code = 2


class NotReadable(GhostkeyError):
    """The kernel does not let us read the process."""

    exit_code = 3


class NotGo(GhostkeyError):
    """It is no Go program, or not one that can be read: 32 bits, another byte order, damaged."""

    exit_code = 2


class UnknownRuntime(GhostkeyError):
    """A Go program whose runtime is laid out as no table of ours says: reading on would give wrong numbers."""


class CoreDamaged(GhostkeyError):
    """A core dump could not be read as what it claims to be."""


class CannotWatch(GhostkeyError):
    """The kernel refuses to tell who changes a map; the hint says what would work."""

    exit_code = 3


class ProfileDamaged(GhostkeyError):
    """A profile could not be read as what it claims to be."""
