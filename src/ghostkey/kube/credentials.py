"""What goes with a request to say who asks, and the error of configurations that cannot give it."""

from __future__ import annotations

import base64
import contextlib
import datetime
import os
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from ghostkey.model.errors import GhostkeyError

EXPIRY_MARGIN = datetime.timedelta(seconds=30)


class ConfigError(GhostkeyError):
    """A kubeconfig is missing, broken or contradicts itself."""

    exit_code = 2


@dataclass(slots=True)
class Credentials:
    """What goes with a request. Never printed: `repr` hides it all."""

    token: str = ""
    basic: str = ""
    certificate_pem: bytes = b""
    key_pem: bytes = b""
    expires: datetime.datetime | None = None

    def __repr__(self) -> str:
        return "Credentials(…)"

    def secrets(self) -> list[str]:
        """The texts of which nothing may be printed, wherever they come back from."""
        password = base64.b64decode(self.basic).decode(errors="replace").partition(":")[2]
        return [text for text in (self.token, self.basic, password) if text]

    def is_fresh(self) -> bool:
        """Whether they will still hold for half a minute."""
        return self.expires is None or datetime.datetime.now(datetime.UTC) + EXPIRY_MARGIN < self.expires

    def check(self, whose: str) -> None:
        """Raises ConfigError for a token that no header may hold, and does not show it."""
        if not is_header_text(self.token):
            raise ConfigError(
                f"the token of {whose} has a line feed or another character that no header may hold",
                "a block scalar (`token: |`) keeps the line feed at its end; write the token in quotes",
            )

    def load_into(self, context: ssl.SSLContext, whose: str) -> None:
        """Gives a TLS context the client certificate, when there is one."""
        if not self.certificate_pem:
            return
        # ssl reads certificates from files only
        with _private_file(self.certificate_pem + b"\n" + self.key_pem) as name:
            try:
                context.load_cert_chain(name, password=_no_password)
            except ssl.SSLError as error:
                raise ConfigError(f"client certificate and key of {whose} do not go together: {error.reason}") from None


def is_header_text(text: str) -> bool:
    """Whether a header may hold this text."""
    return text.isascii() and text.isprintable()


@contextlib.contextmanager
def _private_file(content: bytes) -> Iterator[str]:
    """The name of a file with this content: in memory alone where the system can, so that no kill leaves a key behind."""
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        with os.fdopen(os.memfd_create("ghostkey"), "wb") as handle:
            handle.write(content)
            handle.flush()
            yield f"/proc/self/fd/{handle.fileno()}"
        return
    with tempfile.NamedTemporaryFile(prefix="ghostkey-") as named:
        named.write(content)
        named.flush()
        yield named.name


def _no_password() -> str:
    raise ConfigError("the client key needs a password, which nobody can be asked for", "use a key without one")
