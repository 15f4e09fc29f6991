"""Which cluster, as whom: what the options of a command say, kept together."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ghostkey.kube.flags import NO_FLAGS, Flags

if TYPE_CHECKING:
    from ghostkey.kube.client import ApiClient
    from ghostkey.kube.config import ClientConfig


@dataclass(frozen=True, slots=True)
class Where:
    """The options as they were given; what was not given is None, or empty, and then kubectl's rules choose.

    `request_timeout` is in seconds; 0 is no limit, None the program's own.
    """

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    as_user: str | None = None
    as_group: tuple[str, ...] = ()
    request_timeout: float | None = None
    flags: Flags = NO_FLAGS

    def config(self, namespace: str | None = None) -> ClientConfig:
        """The configuration that the options choose, with another namespace when one is given. Raises ConfigError."""
        from ghostkey.kube.config import load_config

        chosen = namespace or self.namespace
        config = load_config(self.kubeconfig, self.context, chosen, self.as_user, self.as_group, self.flags)
        config.request_timeout = self.request_timeout
        return config

    def client(self, namespace: str | None = None) -> ApiClient:
        """A client for the cluster that the options choose. Raises ConfigError; asks the cluster nothing yet."""
        from ghostkey.kube.client import ApiClient

        is_seen = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        return ApiClient(self.config(namespace), _say_waiting if is_seen else None)

    def words(self, *, namespace: bool = True) -> str:
        """The options to repeat in a command that shall go to the same place: ` --context X -n NS`, quoted for a shell.

        Only those that were given, each with a space before it; without `-n` when the command does not need it.
        """
        given = [("--context", self.context), ("--kubeconfig", self.kubeconfig), ("--as", self.as_user)]
        given += [("--as-group", group) for group in self.as_group]
        given += [(option, value) for option, value in self.flags.words() if value]
        given += [("-n", self.namespace)] if namespace else []
        bare = "".join(f" {option}" for option, value in self.flags.words() if not value)
        return bare + "".join(f" {option} {shlex.quote(value)}" for option, value in given if value)


def _say_waiting(server: str) -> None:
    """The line on a terminal that says for whom we wait, until there is an answer."""
    from ghostkey.cli.terminal import CLEAR, safe

    sys.stderr.write(f"{CLEAR}waiting for {safe(server)} …" if server else CLEAR)
    sys.stderr.flush()
