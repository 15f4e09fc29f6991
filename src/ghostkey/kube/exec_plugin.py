"""Credential plug-ins of kubeconfigs: `users[].user.exec`, by the client.authentication.k8s.io protocol."""

from __future__ import annotations

import datetime
import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ghostkey.kube.credentials import ConfigError, Credentials
from ghostkey.kube.typed import Entry

SECONDS = 60
# Source: client.authentication.k8s.io in k8s.io/client-go v0.37
VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
LEAST_SECRET = 4  # characters of a word that may be a passphrase; shorter ones are in every other word
_PLAIN = re.compile(r"[a-z]*")
_FLAG = re.compile(r"(?s)(--?[A-Za-z][A-Za-z0-9-]*)(?:=(.*))?")


def _values(given: str) -> tuple[str, ...]:
    """What of an argument or variable may be a secret: all but the names of flags."""
    flag = _FLAG.fullmatch(given)
    if flag is None:
        return given, given.partition("=")[2]
    return (flag[2] or "",) if flag[1].startswith("--") or len(flag[1]) == 2 else (given, given[2:], flag[2] or "")


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plug-in as a kubeconfig names it. Its arguments and environment may hold secrets, and are never printed."""

    whose: str
    command: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    version: str
    install_hint: str
    base: Path

    @classmethod
    def read(cls, spec: Entry, base: Path) -> Plugin:
        """The plug-in of a user's entry; raises ConfigError for one that is not as the API defines it."""
        command, version = spec.text("command"), spec.text("apiVersion")
        if version not in VERSIONS:
            raise ConfigError(
                f"exec plug-in {command!r} of {spec.whose} has apiVersion {version!r}", f"set it to one of {', '.join(VERSIONS)}"
            )
        pairs = {pair.text("name"): pair.text("value") for pair in spec.entries("env")}
        return cls(spec.whose, command, spec.texts("args"), pairs, version, spec.text("installHint"), base)

    def __repr__(self) -> str:
        return f"Plugin({self.command!r})"

    def run(self, cluster: Mapping[str, Any] | None) -> Credentials:
        """What it gives; `cluster` is told to it where its entry says so. Raises ConfigError when it fails."""
        info: dict[str, Any] = {"apiVersion": self.version, "kind": "ExecCredential", "spec": {"interactive": False}}
        if cluster is not None:
            info["spec"]["cluster"] = cluster
        environment = {**os.environ, "KUBERNETES_EXEC_INFO": json.dumps(info), **self.environment}
        # a relative path with a slash is relative to the kubeconfig, as in client-go
        is_relative = "/" in self.command and not self.command.startswith("/")
        program = str(self.base / self.command) if is_relative else self.command
        what = f"exec plug-in {self.command!r} of {self.whose}"
        try:
            done = subprocess.run(
                [program, *self.arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False
            )  # fmt: skip
        except FileNotFoundError:
            hint = self.install_hint.strip() or f"install {self.command!r} or put it on PATH"
            raise ConfigError(f"{what} is not installed", hint) from None
        except subprocess.TimeoutExpired:
            raise ConfigError(f"{what} gave no answer within {SECONDS} s") from None  # its own words hold the arguments
        except (OSError, ValueError) as error:
            words = getattr(error, "strerror", None) or "its arguments cannot be passed on"
            raise ConfigError(f"{what} could not be started: {words}") from None
        if done.returncode:
            # stderr is the plug-in's own message to people; stdout may hold a token and is never shown
            said = self._without_secrets(done.stderr.decode(errors="replace")).strip()[-500:]
            raise ConfigError(
                f"{what} ended with code {done.returncode}: {said}".rstrip(": "),
                "run it by hand to see why, with the arguments that stand there",
            )
        return self._answer(done.stdout, what)

    def _without_secrets(self, text: str) -> str:
        # `--token=…` and `-p…` are as much a secret as what stands by itself
        parts = {part for given in self.arguments for part in _values(given)}
        parts.update(self.environment.values())
        for part in sorted(parts, key=len, reverse=True):
            if part and (len(part) >= LEAST_SECRET or not _PLAIN.fullmatch(part)):
                text = text.replace(part, "…")
        return text

    @staticmethod
    def _answer(stdout: bytes, what: str) -> Credentials:
        try:
            status = json.loads(stdout)["status"]
            texts = [status.get(name) or "" for name in ("token", "clientCertificateData", "clientKeyData")]
            expires = status.get("expirationTimestamp")
            if not all(isinstance(text, str) for text in texts):
                raise TypeError
            until = datetime.datetime.fromisoformat(expires) if expires else None
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
            raise ConfigError(f"{what} printed no ExecCredential") from None
        if until is not None and until.tzinfo is None:
            until = until.replace(tzinfo=datetime.UTC)
        token, certificate, key = texts
        return Credentials(token=token, certificate_pem=certificate.encode(), key_pem=key.encode(), expires=until)
