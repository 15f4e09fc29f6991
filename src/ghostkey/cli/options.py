"""Options that commands share, and the progress line."""

from __future__ import annotations

import functools
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast

import click

from ghostkey.cli.terminal import CLEAR, columns_of, safe
from ghostkey.cli.where import Where
from ghostkey.kube.flags import Flags
from ghostkey.model.errors import UsageError
from ghostkey.model.refs import CONFIG_MAPS, NAMESPACES, SECRETS, Kind
from ghostkey.report.visible import shortened

F = TypeVar("F", bound=Callable[..., Any])

FIRST_PROGRESS_SECONDS = 1.0
NEXT_PROGRESS_SECONDS = 0.1
COMPLETION_SECONDS = 1.5  # a shell that hangs is worse than one that completes nothing


def complete_context(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Contexts of the kubeconfig at hand."""
    from ghostkey.kube.config import context_names

    return [name for name in context_names(ctx.params.get("kubeconfig")) if name.startswith(incomplete)]


def complete_namespace(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Namespaces of the cluster."""
    return [name for name in _names(ctx, NAMESPACES, "") if name.startswith(incomplete)]


def complete_map(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """`cm/…` and `secret/…` of the namespace."""
    kind, slash, _rest = incomplete.partition("/")
    if not slash:
        return [word for word in ("cm/", "secret/") if word.startswith(incomplete)]
    chosen = SECRETS if SECRETS.answers_to(kind) else CONFIG_MAPS
    found = [f"{kind}/{name}" for name in _names(ctx, chosen, ctx.params.get("namespace") or "")]
    return [name for name in found if name.startswith(incomplete)]


def _names(ctx: click.Context, kind: Kind, namespace: str) -> list[str]:
    """Names for completion; nothing when the cluster does not answer, for a shell must not show errors."""
    from ghostkey.kube.client import METADATA_LIST
    from ghostkey.kube.objects import decode_metadata
    from ghostkey.model.errors import GhostkeyError

    given = ctx.params.get("kubeconfig"), ctx.params.get("context"), namespace or None
    try:
        client = Where(*given, request_timeout=COMPLETION_SECONDS).client()
        place = client.config.namespace if kind.namespaced else ""
        body = client.get(kind.path(place), {"limit": "500"}, METADATA_LIST)
    except GhostkeyError:
        return []
    return [item.metadata.name for item in decode_metadata(body).items or ()]


LONGEST_DAYS = 36_500  # a hundred years: what waits, and what is added to now, stays within the clocks there are


class FiniteRange(click.FloatRange):
    """A number within bounds. `nan` is within all bounds for click, and as a limit it lets everything pass."""

    name = "number range"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; fails for what is none."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value} is no number.", param, ctx)
        return number


def parse_duration(text: str) -> float:
    """Seconds of `90s`, `10m`, `1h30m` or a bare number, as kubectl reads them; and of `7d`."""
    import re

    if re.fullmatch(r"\d+(\.\d+)?", text):
        return _in_reach(text, float(text))
    parts = re.fullmatch(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?", text)
    if not text or parts is None:
        raise UsageError(f"{text!r} is no duration", "write 90s, 10m or 1h30m")
    days, hours, minutes, seconds, milliseconds = (float(part or 0) for part in parts.groups())
    return _in_reach(text, days * 86_400 + hours * 3600 + minutes * 60 + seconds + milliseconds / 1000)


def _in_reach(text: str, seconds: float) -> float:
    """The seconds, unless no clock of an operating system reaches so far."""
    if seconds > LONGEST_DAYS * 86_400:
        raise UsageError(f"{text} is too long", f"{LONGEST_DAYS:,}d is the most")
    return seconds


FLAGS = {
    "cluster": ("NAME", "Cluster of the kubeconfig."),
    "user": ("NAME", "User of the kubeconfig."),
    "server": ("URL", "Address of the API server."),
    "token": ("TOKEN", "Bearer token; others on this machine can read it."),
    "as_uid": ("UID", "UID to impersonate."),
    "certificate_authority": ("FILE", "Certificate of the authority that the API server's is by."),
    "client_certificate": ("FILE", "Certificate to show."),
    "client_key": ("FILE", "Its key."),
    "tls_server_name": ("NAME", "Name that the API server's certificate is to be for."),
    "insecure_skip_tls_verify": ("", "Take any certificate: whoever is in between can read and change everything."),
}


def cluster_options(function: F) -> F:
    """kubectl's words for which cluster, as whom; the command gets them as one `where`."""

    @functools.wraps(function)
    def command(
        *args: object,
        kubeconfig: str | None,
        context: str | None,
        namespace: str | None,
        as_user: str | None,
        as_group: tuple[str, ...],
        request_timeout: str | None,
        **rest: object,
    ) -> object:
        limit = parse_duration(request_timeout) if request_timeout else None
        given = {name: rest.pop(name) for name in FLAGS}
        flags = Flags(**{name: value for name, value in given.items() if value})  # type: ignore[arg-type]
        if namespace:
            _one_segment(namespace, f"-n {namespace}")
        where = Where(kubeconfig, context, namespace, as_user, as_group, limit, flags)
        return function(*args, where=where, **rest)

    for name, (metavar, text) in FLAGS.items():
        # of every command, and on no help page but the docs': kubectl keeps them on a page of their own, too
        words = [f"--{name.replace('_', '-')}", *(["-s"] if name == "server" else [])]
        click.option(*words, name, metavar=metavar or None, is_flag=not metavar, help=text, hidden=True)(command)
    for option in reversed(
        [
            click.option("-n", "--namespace", metavar="NS", help="Namespace to work in.", shell_complete=complete_namespace),
            click.option("--context", metavar="NAME", help="Context of the kubeconfig.", shell_complete=complete_context),
            click.option("--kubeconfig", metavar="FILE", help="Kubeconfig to use."),
            click.option("--as", "as_user", metavar="USER", help="User to impersonate."),
            click.option("--as-group", multiple=True, metavar="GROUP", help="Group to impersonate; may be repeated."),
            click.option(
                "--request-timeout", metavar="TIME", help="Give up a single request after this time: 30s, 2m; 0 never does."
            ),
        ]
    ):
        option(command)
    return cast(F, command)


def even_if_options(function: F) -> F:
    """What is done although something speaks against it; the command gets the options that were given as one `even_if`."""

    @functools.wraps(function)
    def command(*args: object, even_if_declared: bool, even_if_mounted: bool, **rest: object) -> object:
        given = [("--even-if-declared", even_if_declared), ("--even-if-mounted", even_if_mounted)]
        return function(*args, even_if=frozenset(name for name, is_given in given if is_given), **rest)

    click.option("--even-if-mounted", is_flag=True, help="Trim ghosts of a map that Pods take as a whole, too.")(command)
    click.option("--even-if-declared", is_flag=True, help="Trim ghosts that a manifest holds (GitOps, kubectl apply), too.")(
        command
    )
    return cast(F, command)


def color_option(function: F) -> F:
    """When to colour."""
    return click.option(
        "--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="When to colour; NO_COLOR is obeyed."
    )(function)


def local_option(function: F) -> F:
    """Which clock times are told by; what is printed for programs is always UTC."""
    return click.option("--local", "is_local", is_flag=True, help="Times by this machine's clock, with their offset from UTC.")(
        function
    )


def use_color(choice: str) -> bool:
    """Whether to colour stdout."""
    if choice == "auto":
        return "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb" and sys.stdout.isatty()
    return choice == "always"


def parse_holder(words: tuple[str, ...]) -> list[tuple[Kind, str]]:
    """`cm/NAME`, `secret/NAME`, or kubectl's two words `configmap NAME`, as (kind, name) pairs."""
    pairs = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        kind_word, slash, name = word.partition("/")
        if not slash and rest:
            name = rest.pop(0)
        kind = next((kind for kind in (CONFIG_MAPS, SECRETS) if kind.answers_to(kind_word)), None)
        if kind is None or not name:
            raise UsageError(f"{word!r} names no map", "write cm/NAME or secret/NAME")
        pairs.append((kind, _one_segment(name, word)))
    return pairs


def _one_segment(name: str, word: str) -> str:
    """A name as it stands in a URL; refused are those that would make it another URL. Whether there is such an object the server says."""
    if name in {".", ".."} or not name.isascii() or not all(c.isprintable() and c not in " /%?#\\" for c in name):
        raise UsageError(f"{word!r} is no name that an object can have", "names have lower case letters, digits, - and .")
    return name


def parse_fields(texts: tuple[str, ...]) -> list[tuple[str, str]]:
    """KIND:PATH pairs."""
    found = []
    for text in texts:
        kind, colon, path = text.partition(":")
        if not colon or not kind or not path:
            raise UsageError(f"field {text!r} is not KIND:PATH", "for example --field tenants.demo:status.shards")
        found.append((kind, path))
    return found


class ProgressLine:
    """One line on stderr that says what is being done; only on a terminal, only after a second, gone at the end.

    What takes longer than a second is told although nobody calls meanwhile.
    """

    _last: ClassVar[ProgressLine | None] = None

    def __init__(self) -> None:
        self._shown = False
        self._text = ""
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._next = time.monotonic() + FIRST_PROGRESS_SECONDS
        self.is_on = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def __call__(self, text: str) -> None:
        """Shows the text in place of the last, at most ten times a second."""
        if not self.is_on:
            return
        with self._lock:
            ProgressLine._last = self
            self._text = text
            wait = self._next - time.monotonic()
            if wait <= 0:
                self._show()
            elif self._timer is None:
                self._timer = threading.Timer(wait, self._due)
                self._timer.daemon = True
                self._timer.start()

    def _due(self) -> None:
        with self._lock:
            if self._timer is not None:
                self._show()

    def _show(self) -> None:
        self._next = time.monotonic() + NEXT_PROGRESS_SECONDS
        self._timer = None
        self._shown = True
        # a longer one would go on in the next row, which is never cleared
        sys.stderr.write(f"{CLEAR}{shortened(safe(self._text), (columns_of(sys.stderr) or 80) - 3)} …")
        sys.stderr.flush()

    def done(self) -> None:
        """Takes the line away."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._shown:
                sys.stderr.write(CLEAR)
                sys.stderr.flush()
                self._shown = False

    @classmethod
    def end(cls) -> None:
        """Takes the line away that an error has left."""
        if cls._last is not None:
            cls._last.done()


def parse_pair(text: str) -> tuple[str, str]:
    """Name and value of `--env NAME=VALUE`. Raises UsageError."""
    name, sign, value = text.partition("=")
    if not sign or not name:
        # what was meant to be a value may be a secret: it is not shown
        raise UsageError("--env needs NAME=VALUE")
    return name, value
