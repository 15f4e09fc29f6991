"""Reads kubeconfigs as kubectl does: merged files, contexts, client certificates, tokens, exec plug-ins, proxies, in-cluster."""

from __future__ import annotations

import base64
import binascii
import datetime
import json
import os
import ssl
import subprocess
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ghostkey.model.errors import GhostkeyError, UsageError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
EXEC_SECONDS = 60
FILE_BYTES = 16 << 20  # of a kubeconfig, a certificate or a token
# the API kinds of credential plug-ins; Source: client.authentication.k8s.io in k8s.io/client-go v0.37
EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
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

    def is_fresh(self) -> bool:
        """Whether they will still hold for half a minute."""
        return self.expires is None or datetime.datetime.now(datetime.UTC) + EXPIRY_MARGIN < self.expires


@dataclass(slots=True)
class ClientConfig:
    """Everything needed to talk to one API server. `origin` says which file or service account it came from.

    `request_timeout` limits a single request, in seconds: 0 is no limit, None the client's own.
    """

    server: str
    namespace: str
    origin: str
    context: str = ""
    user: str = ""
    ca_pem: str = ""
    insecure: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    request_timeout: float | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    _user: Mapping[str, Any] = field(default_factory=dict, repr=False)
    _base: Path = field(default_factory=Path, repr=False)
    _cluster: Mapping[str, Any] = field(default_factory=dict, repr=False)
    _credentials: Credentials | None = field(default=None, repr=False)

    def credentials(self, *, renew: bool = False) -> Credentials:
        """Current credentials; runs an exec plug-in when they are missing, stale or `renew` asks for others."""
        if self._credentials is None or renew or not self._credentials.is_fresh():
            self._credentials = self._load_credentials()
        return self._credentials

    def can_renew(self) -> bool:
        """Whether asking again may give other credentials: exec plug-ins and rotated token files."""
        return "exec" in self._user or "tokenFile" in self._user

    def ssl_context(self) -> ssl.SSLContext:
        """TLS as the cluster entry and the current credentials ask for."""
        context = ssl.create_default_context(cadata=self.ca_pem or None)
        # CAs of clusters are often older than RFC 5280 strictness, which Python 3.13 turned on by default
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        credentials = self.credentials()
        if credentials.certificate_pem:
            _load_pair(context, credentials)
        return context

    def proxy(self) -> str:
        """The proxy's URL, from the cluster entry or the environment; empty for none."""
        if self.proxy_url:
            return self.proxy_url
        parts = urllib.parse.urlsplit(self.server)
        if not parts.hostname or urllib.request.proxy_bypass(parts.netloc):
            return ""
        return urllib.request.getproxies().get(parts.scheme, "")

    def _load_credentials(self) -> Credentials:
        user = self._user
        if "auth-provider" in user:
            raise ConfigError(
                f"user {self.user!r} in {self.origin} uses the auth-provider {user['auth-provider'].get('name')!r}, "
                "which Kubernetes removed in 1.26",
                "use an exec credential plug-in, as kubectl now needs too",
            )
        if "exec" in user:
            return self._run_plugin(user["exec"])
        found = Credentials(
            certificate_pem=self._bytes("client-certificate"),
            key_pem=self._bytes("client-key"),
            token=str(user.get("token") or ""),
        )
        if token_file := user.get("tokenFile"):
            found.token = _read(self._base / token_file, "token file").decode().strip()
            # projected tokens rotate; a minute is well inside their lifetime
            found.expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=1)
        if user.get("username"):
            pair = f"{user['username']}:{user.get('password', '')}"
            found.basic = base64.b64encode(pair.encode()).decode()
        return found

    def _bytes(self, name: str) -> bytes:
        return _inline_or_file(self._user, name, self._base, f"user {self.user!r} in {self.origin}")

    def _run_plugin(self, spec: Mapping[str, Any]) -> Credentials:
        command, version = str(spec.get("command", "")), str(spec.get("apiVersion", ""))
        if version not in EXEC_VERSIONS:
            raise ConfigError(
                f"exec plug-in {command!r} of user {self.user!r} in {self.origin} has apiVersion {version!r}",
                f"set it to one of {', '.join(EXEC_VERSIONS)}",
            )
        info: dict[str, Any] = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
        if spec.get("provideClusterInfo"):
            info["spec"]["cluster"] = {
                key: value for key, value in self._cluster.items() if key in {"server", "certificate-authority-data"}
            }
        environment = {**os.environ, "KUBERNETES_EXEC_INFO": json.dumps(info)}
        environment |= {str(pair["name"]): str(pair["value"]) for pair in spec.get("env") or ()}
        # a relative path with a slash is relative to the kubeconfig, as in client-go
        program = str(self._base / command) if "/" in command and not command.startswith("/") else command
        try:
            done = subprocess.run(
                [program, *map(str, spec.get("args") or ())],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=EXEC_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            hint = str(spec.get("installHint") or f"install {command!r} or put it on PATH").strip()
            raise ConfigError(f"exec plug-in {command!r} of user {self.user!r} is not installed", hint) from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ConfigError(f"exec plug-in {command!r} of user {self.user!r} failed: {error}") from None
        if done.returncode:
            # stderr is the plug-in's own message to people; stdout may hold a token and is never shown
            said = done.stderr.decode(errors="replace").strip()[-500:]
            raise ConfigError(
                f"exec plug-in {command!r} of user {self.user!r} ended with code {done.returncode}: {said}",
                f"run it by hand to see why: {command} {' '.join(map(str, spec.get('args') or ()))}".rstrip(),
            )
        try:
            status = json.loads(done.stdout)["status"]
            expires = status.get("expirationTimestamp")
            return Credentials(
                token=status.get("token", ""),
                certificate_pem=status.get("clientCertificateData", "").encode(),
                key_pem=status.get("clientKeyData", "").encode(),
                expires=datetime.datetime.fromisoformat(expires) if expires else None,
            )
        except (ValueError, KeyError, AttributeError, TypeError):
            raise ConfigError(f"exec plug-in {command!r} of user {self.user!r} printed no ExecCredential") from None


def load_config(
    kubeconfig: str | None = None,
    context: str | None = None,
    namespace: str | None = None,
    impersonate: str | None = None,
    impersonate_groups: Sequence[str] = (),
) -> ClientConfig:
    """The configuration kubectl would use: `--kubeconfig`, then $KUBECONFIG, then ~/.kube/config, then in-cluster.

    Raises ConfigError naming the file and the entry that is missing or broken.
    """
    paths, explicit = _config_paths(kubeconfig)
    present = [path for path in paths if path.is_file()]
    if explicit and not present:
        raise ConfigError(f"kubeconfig {paths[0]} does not exist", "name another with --kubeconfig or KUBECONFIG")
    config = _from_files(present, context) if present else _in_cluster(paths)
    if namespace:
        config.namespace = namespace
    if impersonate:
        config.headers.append(("Impersonate-User", impersonate))
        config.headers += [("Impersonate-Group", group) for group in impersonate_groups]
    elif impersonate_groups:
        raise UsageError("--as-group needs --as")
    return config


def context_names(kubeconfig: str | None = None) -> list[str]:
    """Names of the contexts at hand, for completion; empty when there is no readable kubeconfig."""
    paths, _ = _config_paths(kubeconfig)
    try:
        return [str(entry["name"]) for path in paths if path.is_file() for entry in _parse(path).get("contexts") or ()]
    except (GhostkeyError, KeyError, TypeError):
        return []


def _config_paths(kubeconfig: str | None) -> tuple[list[Path], bool]:
    if kubeconfig:
        return [Path(kubeconfig).expanduser()], True
    if listed := [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]:
        return [Path(part).expanduser() for part in listed], True
    return [Path.home() / ".kube" / "config"], False


def _parse(path: Path) -> dict[str, Any]:
    from ghostkey.foreign import TooMuchError, UnreadableError, decode_json, load_yaml

    text = _read(path, "kubeconfig")
    try:
        try:
            parsed = decode_json(text) if text.lstrip().startswith(b"{") else load_yaml(text)
        except TooMuchError:
            raise
        except UnreadableError:
            parsed = load_yaml(text)
    except TooMuchError as error:
        raise ConfigError(f"kubeconfig {path} is not read: {error}") from None
    except UnreadableError as error:
        # say only where it is: the text around the fault may be a token
        raise ConfigError(f"kubeconfig {path} is not valid YAML" + (f" (line {error.line})" if error.line else "")) from None
    if not isinstance(parsed, dict):
        raise ConfigError(f"kubeconfig {path} holds no configuration")
    _check_shape(parsed, path)
    return parsed


def _check_shape(parsed: dict[str, Any], path: Path) -> None:
    """Raises ConfigError where a kubeconfig has another sort of thing than it must; never says what stands there."""

    def check(holds: bool, what: str) -> None:
        if not holds:
            raise ConfigError(f"kubeconfig {path}: {what}", "compare it with: kubectl config view")

    for section, inner in (("contexts", "context"), ("clusters", "cluster"), ("users", "user")):
        entries = parsed.get(section)
        check(entries is None or isinstance(entries, list), f"{section} is no list")
        for number, entry in enumerate(entries or ()):
            where = f"{section}[{number}]"
            check(isinstance(entry, dict), f"{where} is no mapping")
            content = entry.get(inner)
            check(content is None or isinstance(content, dict), f"{where}.{inner} is no mapping")
            for name, value in (content or {}).items():
                if name in {"exec", "auth-provider"}:
                    check(isinstance(value, dict | None), f"{where}.{inner}.{name} is no mapping")
                elif name == "as-groups":
                    check(isinstance(value, list | None), f"{where}.{inner}.{name} is no list")
                elif isinstance(name, str) and (name.endswith("-data") or name == "tokenFile"):
                    check(isinstance(value, str | None), f"{where}.{inner}.{name} is no text")
            plugin = (content or {}).get("exec") or {}
            check(isinstance(plugin.get("args"), list | None), f"{where}.{inner}.exec.args is no list")
            variables = plugin.get("env")
            check(isinstance(variables, list | None), f"{where}.{inner}.exec.env is no list")
            for pair in variables or ():
                check(
                    isinstance(pair, dict) and {"name", "value"} <= pair.keys(), f"{where}.{inner}.exec.env has no name and value"
                )


def _read(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as handle:
            content = handle.read(FILE_BYTES + 1)
        if len(content) > FILE_BYTES:
            raise ConfigError(f"{what} {path} is larger than {FILE_BYTES >> 20} MiB")
        return content
    except OSError as error:
        raise ConfigError(f"cannot read {what} {path}: {error.strerror}") from None


def _from_files(paths: Sequence[Path], context: str | None) -> ClientConfig:
    parsed = [(path, _parse(path)) for path in paths]
    origin = os.pathsep.join(str(path) for path in paths)
    # kubectl's rule for several files: the first to set a value wins
    wanted = context or next((str(c["current-context"]) for _, c in parsed if c.get("current-context")), "")
    if not wanted:
        raise ConfigError(f"no current-context in {origin}", "choose one with --context")

    def entry(section: str, inner: str, name: str) -> tuple[Path, dict[str, Any]]:
        for path, config in parsed:
            for item in config.get(section) or ():
                if isinstance(item, dict) and item.get("name") == name:
                    return path.parent, item.get(inner) or {}
        known = sorted({str(i.get("name")) for _, c in parsed for i in c.get(section) or () if isinstance(i, dict)})
        raise ConfigError(f"no {inner} {name!r} in {origin}", f"known: {', '.join(known) or 'none'}")

    _, chosen = entry("contexts", "context", wanted)
    cluster_base, cluster = entry("clusters", "cluster", str(chosen.get("cluster", "")))
    user_name = str(chosen.get("user") or "")
    user_base, user = entry("users", "user", user_name) if user_name else (cluster_base, {})
    if not cluster.get("server"):
        raise ConfigError(f"cluster {chosen.get('cluster')!r} in {origin} has no server")
    ca = _inline_or_file(cluster, "certificate-authority", cluster_base, f"cluster {chosen.get('cluster')!r} in {origin}")
    config = ClientConfig(
        server=str(cluster["server"]).rstrip("/"),
        namespace=str(chosen.get("namespace") or "default"),
        origin=origin,
        context=wanted,
        user=user_name,
        ca_pem=ca.decode(errors="replace"),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        tls_server_name=str(cluster.get("tls-server-name") or ""),
        proxy_url=str(cluster.get("proxy-url") or ""),
        _user=user,
        _base=user_base,
        _cluster=cluster,
    )
    if user.get("as"):
        config.headers.append(("Impersonate-User", str(user["as"])))
        config.headers += [("Impersonate-Group", str(group)) for group in user.get("as-groups") or ()]
    return config


def _in_cluster(tried: Sequence[Path]) -> ClientConfig:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise ConfigError(
            f"no kubeconfig: {tried[0]} does not exist, and this is no Pod",
            "name one with --kubeconfig or KUBECONFIG, or read files with --from",
        )
    namespace = SERVICE_ACCOUNT / "namespace"
    return ClientConfig(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=namespace.read_text().strip() if namespace.is_file() else "default",
        origin=str(SERVICE_ACCOUNT),
        context="in-cluster",
        user="service account",
        ca_pem=_read(SERVICE_ACCOUNT / "ca.crt", "CA certificate").decode(),
        _user={"tokenFile": str(SERVICE_ACCOUNT / "token")},
    )


def _inline_or_file(entry: Mapping[str, Any], name: str, base: Path, where: str) -> bytes:
    if inline := entry.get(f"{name}-data"):
        try:
            return base64.b64decode(inline, validate=True)
        except (binascii.Error, ValueError):
            raise ConfigError(f"{name}-data of {where} is not base64") from None
    if path := entry.get(name):
        return _read(base / str(path), name)
    return b""


def _load_pair(context: ssl.SSLContext, credentials: Credentials) -> None:
    # ssl reads certificates from files only; this one is private and lives for one call
    with tempfile.NamedTemporaryFile(prefix="ghostkey-") as handle:
        handle.write(credentials.certificate_pem + b"\n" + credentials.key_pem)
        handle.flush()
        try:
            context.load_cert_chain(handle.name)
        except ssl.SSLError as error:
            raise ConfigError(f"client certificate and key do not go together: {error.reason}") from None
