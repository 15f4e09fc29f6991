"""The proxy as seen by who tells it what to do."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import subprocess
import sys
import threading
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ghostkey.model.errors import GhostkeyError, UsageError

if TYPE_CHECKING:
    from ghostkey.kube.config import ClientConfig
    from ghostkey.kube.credentials import Credentials
    from ghostkey.testing import ControlPlane

WRITES_OF_SECRETS = "-writes-of-secrets.jsonl"
FINALIZERS = "-finalizers.jsonl"  # that operators have put, and taken away again


class ProxyProcess:
    """A proxy in a process of its own; `kubeconfig` leads through it, and `ca` is whom that trusts.

    It ends with this object or with this process, whichever ends first. `settings`: see `ghostkey.churn.proxy.__main__`.
    """

    def __init__(self, directory: Path, name: str, settings: dict[str, Any], config: ClientConfig | None = None) -> None:
        """`config`: where other credentials come from, when the API server takes those at hand no longer."""
        self._lock = threading.Lock()
        self._renewing = threading.Lock()
        self._given: Credentials | None = None
        self._pem = directory / f"{name}-certificate.pem"
        self.renewal_failed = ""  # in words
        pipe = os.pipe() if config is not None else ()
        self.token = secrets.token_urlsafe(32)
        settings = {**settings, "token": self.token, **({"renewal": pipe[1]} if pipe else {})}
        self.ca = Path(settings["server_ca"])
        path = directory / f"{name}.json"
        _write_private(path, json.dumps(settings).encode())
        self._log = (directory / f"{name}.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ghostkey.churn.proxy", str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}, start_new_session=True, pass_fds=pipe[1:],
        )  # fmt: skip
        if config is not None and pipe:
            os.close(pipe[1])
            threading.Thread(target=self._renew_when_asked, args=(pipe[0], config), daemon=True).start()
        self.port = int(self._read()["port"])
        self.kubeconfig = directory / f"{name}-kubeconfig.json"
        _write_private(self.kubeconfig, json.dumps(self._config()).encode())

    @classmethod
    def before(cls, control_plane: ControlPlane, name: str, user_kubeconfig: Path | None = None) -> Self:
        """One in front of a control plane of ours, asking as a user of it; the administrator without."""
        directory = control_plane.directory
        config = json.loads((user_kubeconfig or control_plane.kubeconfig).read_text())
        pair = directory / f"{name}.pem"
        user = config["users"][0]["user"]
        _write_private(finalizers := directory / f"{name}{FINALIZERS}", b"")
        _write_private(pair, base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
        host, port = control_plane.url.removeprefix("https://").split(":")
        return cls(directory, name, {
            "host": host, "port": int(port), "ca": str(directory / "ca.crt"), "certificate": str(pair),
            "server_ca": str(directory / "ca.crt"), "server_certificate": str(directory / "apiserver.crt"),
            "server_key": str(directory / "apiserver.key"), "writes_of_secrets": str(directory / f"{name}{WRITES_OF_SECRETS}"),
            "finalizers": str(finalizers),
        })  # fmt: skip

    @classmethod
    def before_cluster(
        cls, config: ClientConfig, directory: Path, name: str, account: tuple[str, list[str]] | None = None
    ) -> Self:
        """One in front of a given cluster, with a certificate of its own making. `account`: user and groups that it asks as.

        Raises UsageError for a cluster that is reached by a proxy of the network, or without TLS.
        """
        from ghostkey.testing.certificates import Authority

        url = urllib.parse.urlsplit(config.server)
        if config.proxy_url or url.scheme != "https" or not url.hostname:
            raise UsageError(
                f"an operator cannot be led to {config.server}", "it has to be reached by https, and without a proxy-url"
            )
        authority = Authority("ghostkey-churn")
        # by another name than its issuer: OpenSSL takes a certificate that is called as its issuer for a self-signed one
        certificate, key = authority.issue("ghostkey-churn-proxy", server_addresses=["127.0.0.1", "localhost"])
        credentials = config.credentials()
        files = {"server_ca": authority.certificate_pem, "server_certificate": certificate, "server_key": key}
        files |= {"ca": config.ca_pem.encode()} if config.ca_pem else {}
        if credentials.certificate_pem:
            files["certificate"] = credentials.certificate_pem + b"\n" + credentials.key_pem
        for word, content in files.items():
            _write_private(directory / f"{name}-{word}.pem", content)
        headers = own = [list(pair) for pair in config.headers]
        if account:
            user, groups = account
            headers = [["Impersonate-User", user], *(["Impersonate-Group", group] for group in groups)]
        made = cls(directory, name, {
            **{word: str(directory / f"{name}-{word}.pem") for word in files}, "host": url.hostname, "port": url.port or 443,
            "prefix": url.path.rstrip("/"), "insecure": config.insecure, "server_name": config.tls_server_name, "headers": headers,
            "own_headers": own,
        }, config)  # fmt: skip
        # certificate and key it has; what is for no file comes by the pipe
        made._given = credentials
        made.ask("credentials", token=credentials.token, basic=credentials.basic)
        return made

    def _renew_when_asked(self, pipe: int, config: ClientConfig) -> None:
        """Until the proxy ends: other credentials each time that the API server takes those at hand no longer."""
        with os.fdopen(pipe, "rb", buffering=0) as asks:
            while asks.read(1):
                with contextlib.suppress(GhostkeyError, OSError):  # the proxy is gone, or there is no room for a file
                    self.renew(config, is_refused=True)

    def renew(self, config: ClientConfig, *, is_refused: bool = False) -> None:
        """Gives it the configuration's credentials; others than those that it has, where those are refused and others can be had.

        Does nothing where there are no others, unless those are asked for, or while others are being asked for. Raises GhostkeyError.
        """
        if not self._renewing.acquire(blocking=is_refused):
            return
        try:
            self._renew(config, is_refused=is_refused)
        finally:
            self._renewing.release()

    def _renew(self, config: ClientConfig, *, is_refused: bool) -> None:
        before = credentials = self._given
        try:
            credentials = config.credentials()
            if is_refused and _are_same(credentials, before):
                credentials = config.credentials(renew=config.can_renew())
        except GhostkeyError as error:
            self.renewal_failed = str(error)
            if not is_refused:
                raise
        if credentials is None or (_are_same(credentials, before) and not is_refused):
            return
        is_other = (
            before is not None and bool(credentials.certificate_pem) and credentials.certificate_pem != before.certificate_pem
        )
        try:
            if is_other:
                _write_private(self._pem, credentials.certificate_pem + b"\n" + credentials.key_pem)
        finally:
            # whatever came of it, those who wait are told
            self.ask(
                "credentials", token=credentials.token, basic=credentials.basic, certificate=str(self._pem) if is_other else "",
                is_answer=is_refused,
            )  # fmt: skip
        if not _are_same(credentials, before):
            self._given, self.renewal_failed = credentials, ""

    def _config(self) -> dict[str, Any]:
        """The proxy is who asks: the operator has no credentials of its own but those for the proxy."""
        ca = base64.b64encode(self.ca.read_bytes()).decode()
        cluster = {"server": f"https://127.0.0.1:{self.port}", "certificate-authority-data": ca}
        return {
            "apiVersion": "v1", "kind": "Config", "current-context": "churn",
            "clusters": [{"name": "churn", "cluster": cluster}],
            "users": [{"name": "churn", "user": {"token": self.token}}],
            "contexts": [{"name": "churn", "context": {"cluster": "churn", "user": "churn"}}],
        }  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process."""
        if self._process.stdin is not None and self._process.stdout is not None:
            self._process.stdin.close()
            self._process.wait()
            self._process.stdout.close()
        self._log.close()

    def ask(self, do: str, **request: object) -> dict[str, Any]:
        """The answer to one request; see `ghostkey.churn.proxy.__main__`. Raises GhostkeyError when the proxy is gone."""
        if self._process.stdin is None:
            raise GhostkeyError("the proxy does not run")
        with self._lock:
            try:
                self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
                self._process.stdin.flush()
            except (OSError, ValueError):
                raise GhostkeyError("the proxy is gone") from None
            reply = self._read()
        if "error" in reply:
            raise GhostkeyError(f"the proxy refuses {do}: {reply['error']}")
        return reply

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise GhostkeyError("the proxy is gone")
        reply: dict[str, Any] = json.loads(line)
        return reply


def finalizers_put(directory: Path) -> dict[str, set[str]]:
    """uid → finalizers that operators have put on the object by proxies in this directory, and have not seen gone since."""
    found: dict[str, set[str]] = {}
    for file in sorted(directory.glob(f"*{FINALIZERS}")):
        for record in (json.loads(line) for line in file.read_text().splitlines() if line.endswith("}")):
            found.setdefault(record.get("on") or record["off"], set())
            (found[record["on"]].add if "on" in record else found[record["off"]].discard)(record["finalizer"])
    return found


def _are_same(credentials: Credentials, before: Credentials | None) -> bool:
    """Whether a request would show the same: until when they hold is no matter."""
    if before is None:
        return False
    shown = (before.token, before.basic, before.certificate_pem)
    return (credentials.token, credentials.basic, credentials.certificate_pem) == shown


def _write_private(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        os.fchmod(handle.fileno(), 0o600)  # of one that was there before, too
        handle.write(content)
