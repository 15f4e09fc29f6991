"""Reads kubeconfigs as kubectl does: merged files, contexts, client certificates, tokens, exec plug-ins, proxies, in-cluster."""

from __future__ import annotations

import base64
import binascii
import datetime
import os
import ssl
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ghostkey.kube.credentials import ConfigError, Credentials, is_header_text
from ghostkey.kube.exec_plugin import Plugin
from ghostkey.kube.flags import NO_FLAGS, Flags
from ghostkey.kube.typed import Entry
from ghostkey.model.errors import GhostkeyError, UsageError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_FILE_AGE = datetime.timedelta(minutes=1)  # projected tokens rotate; this is well inside their lifetime
FILE_BYTES = 16 << 20  # of a kubeconfig, a certificate or a token


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
    _basic: str = field(default="", repr=False)  # of the server's URL
    _user: Entry = field(default_factory=lambda: Entry(None, "nobody"), repr=False)
    _base: Path = field(default_factory=Path, repr=False)
    _cluster: Entry = field(default_factory=lambda: Entry(None, "no cluster"), repr=False)
    _credentials: Credentials | None = field(default=None, repr=False)

    def credentials(self, *, renew: bool = False) -> Credentials:
        """Current credentials; runs an exec plug-in when they are missing, stale or `renew` asks for others."""
        if self._credentials is None or renew or not self._credentials.is_fresh():
            self._credentials = self._load_credentials()
        return self._credentials

    def can_renew(self) -> bool:
        """Whether asking again may give other credentials: exec plug-ins, and rotated files of tokens and of certificates."""
        is_file = "client-certificate" in self._user and not self._user.text("client-certificate-data")
        return "exec" in self._user or "tokenFile" in self._user or is_file

    def ssl_context(self) -> ssl.SSLContext:
        """TLS as the cluster entry and the current credentials ask for."""
        try:
            context = ssl.create_default_context(cadata=self.ca_pem or None)
        except (ssl.SSLError, ValueError):
            raise ConfigError(f"certificate-authority of {self._cluster.whose} holds no certificate in PEM") from None
        # CAs of clusters are often older than RFC 5280 strictness, which Python 3.13 turned on by default
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self.credentials().load_into(context, self._user.whose)
        return context

    def _load_credentials(self) -> Credentials:
        found = self._plugin_credentials() if "exec" in self._user else self._own_credentials()
        if not (found.token or found.basic):
            found.basic = self._basic
        found.check(self._user.whose)
        return found

    def _plugin_credentials(self) -> Credentials:
        spec = self._user.entry("exec")
        told = {"server", "certificate-authority-data"}
        cluster = {key: value for key, value in self._cluster.fields.items() if key in told}
        return Plugin.read(spec, self._base).run(cluster if spec.flag("provideClusterInfo") else None)

    def _own_credentials(self) -> Credentials:
        user = self._user
        if "auth-provider" in user:
            raise ConfigError(
                f"{user.whose} uses the auth-provider {user.entry('auth-provider').text('name')!r}, which Kubernetes removed in 1.26",
                "use an exec credential plug-in, as kubectl now needs too",
            )
        found = Credentials(
            certificate_pem=self._bytes("client-certificate"), key_pem=self._bytes("client-key"), token=user.text("token")
        )
        if token_file := user.text("tokenFile"):
            # the file is newer than the entry, and the entry is there for when the file cannot be read; as client-go
            try:
                found.token = _read(self._base / token_file, "token file").decode(errors="replace").strip()
            except ConfigError:
                if not found.token:
                    raise
            found.expires = datetime.datetime.now(datetime.UTC) + TOKEN_FILE_AGE
        if name := user.text("username"):
            if found.token:
                raise ConfigError(f"{user.whose} has a token and a username", "keep one of them, as kubectl needs too")
            found.basic = base64.b64encode(f"{name}:{user.text('password')}".encode()).decode()
        return found

    def _bytes(self, name: str) -> bytes:
        return _inline_or_file(self._user, name, self._base)


def load_config(
    kubeconfig: str | None = None,
    context: str | None = None,
    namespace: str | None = None,
    impersonate: str | None = None,
    impersonate_groups: Sequence[str] = (),
    flags: Flags = NO_FLAGS,
) -> ClientConfig:
    """The configuration kubectl would use: `--kubeconfig`, then $KUBECONFIG, then ~/.kube/config, then in-cluster.

    `flags` go over what it says; with a server among them it needs to say nothing.
    Raises ConfigError naming the file and the entry that is missing or broken.
    """
    paths, explicit = _config_paths(kubeconfig)
    present = [path for path in paths if path.is_file()]
    if explicit and not present:
        raise ConfigError(f"kubeconfig {paths[0]} does not exist", "name another with --kubeconfig or KUBECONFIG")
    if present:
        config = _from_files(present, context, flags)
    elif flags.server:
        config = _config(
            Entry(None, "the command line"), Entry(None, "the command line"), (Path(), Path()), "the command line", flags
        )
    else:
        config = _in_cluster(paths)
    if namespace:
        config.namespace = namespace
    if impersonate or impersonate_groups or flags.as_uid:
        # one by one over what the kubeconfig says, as kubectl's flags
        given = {"Impersonate-User"} if impersonate else set()
        given |= {"Impersonate-Group"} if impersonate_groups else set()
        given |= {"Impersonate-Uid"} if flags.as_uid else set()
        config.headers = [pair for pair in config.headers if pair[0] not in given]
        config.headers += [("Impersonate-User", impersonate)] if impersonate else []
        config.headers += [("Impersonate-Group", group) for group in impersonate_groups]
        config.headers += [("Impersonate-Uid", flags.as_uid)] if flags.as_uid else []
    if config.headers and not any(name == "Impersonate-User" for name, _ in config.headers):
        # the API server would take such a request for the user's own
        if impersonate_groups:
            raise UsageError("--as-group needs --as")
        if flags.as_uid:
            raise UsageError("--as-uid needs --as")
        raise ConfigError(
            f"user {config.user!r} in {config.origin} impersonates groups, a UID or more without a user", "add `as`"
        )
    for name, value in config.headers:
        if not is_header_text(value):
            raise ConfigError(f"{name}: {value!r} has a line feed or another character that no header may hold")
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
    return parsed


def _read(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as handle:
            content = handle.read(FILE_BYTES + 1)
        if len(content) > FILE_BYTES:
            raise ConfigError(f"{what} {path} is larger than {FILE_BYTES >> 20} MiB")
        return content
    except OSError as error:
        raise ConfigError(f"cannot read {what} {path}: {error.strerror}") from None


def _from_files(paths: Sequence[Path], context: str | None, flags: Flags) -> ClientConfig:
    parsed = [(path, _parse(path)) for path in paths]
    origin = os.pathsep.join(str(path) for path in paths)
    # kubectl's rule for several files: the first to set a value wins
    wanted = context or next((str(c["current-context"]) for _, c in parsed if c.get("current-context")), "")
    if not wanted and not (flags.cluster or flags.server):
        raise ConfigError(f"no current-context in {origin}", "choose one with --context")

    def entry(section: str, inner: str, name: str) -> tuple[Path, Entry]:
        known = set()
        for path, config in parsed:
            for item in Entry(config, f"kubeconfig {path}").entries(section):
                if item.fields.get("name") == name:
                    return path.parent, Entry(item.fields.get(inner), f"{inner} {name!r} in {path}")
                known.add(str(item.fields.get("name")))
        raise ConfigError(f"no {inner} {name!r} in {origin}", f"known: {', '.join(sorted(known)) or 'none'}")

    nobody, nowhere = Entry(None, f"nobody in {origin}"), Entry(None, "the command line")
    chosen = entry("contexts", "context", wanted)[1] if wanted else nowhere
    cluster_name, user_name = flags.cluster or chosen.text("cluster"), flags.user or chosen.text("user")
    cluster_base, cluster = (Path(), nowhere)
    if cluster_name or not flags.server:
        cluster_base, cluster = entry("clusters", "cluster", cluster_name)
    user_base, user = entry("users", "user", user_name) if user_name else (cluster_base, nobody)
    config = _config(cluster, user, (cluster_base, user_base), origin, flags)
    config.namespace, config.context, config.user = chosen.text("namespace") or "default", wanted, user_name
    return config


def _config(cluster: Entry, user: Entry, bases: tuple[Path, Path], origin: str, flags: Flags) -> ClientConfig:
    """The configuration of a cluster and a user, with the flags over both; `bases` are the folders of their files."""
    cluster, user = flags.over_cluster(cluster), flags.over_user(user)
    cluster_base, user_base = bases
    if not cluster.text("server"):
        raise ConfigError(f"{cluster.whose} has no server")
    server, basic = _without_user(cluster.text("server").rstrip("/"))
    ca = _inline_or_file(cluster, "certificate-authority", cluster_base)
    insecure = cluster.flag("insecure-skip-tls-verify")
    if ca and insecure:
        raise ConfigError(
            f"{cluster.whose} has a certificate-authority and insecure-skip-tls-verify", "keep one of them, as kubectl needs too"
        )
    return ClientConfig(
        server=server,
        namespace="default",
        origin=origin,
        ca_pem=ca.decode(errors="replace"),
        insecure=insecure,
        tls_server_name=cluster.text("tls-server-name"),
        proxy_url=cluster.text("proxy-url"),
        headers=_impersonation(user),
        _user=user,
        _basic=basic,
        _base=user_base,
        _cluster=cluster,
    )


def _without_user(server: str) -> tuple[str, str]:
    """A server's URL without a user and password in it, which nobody is to read, and these as Basic credentials; as net/http of Go."""
    try:
        parts = urllib.parse.urlsplit(server)
        user, password = parts.username, parts.password
    except ValueError:
        return server, ""  # what is wrong with it is said by whoever opens it
    if user is None and password is None:
        return server, ""
    pair = f"{urllib.parse.unquote(user or '')}:{urllib.parse.unquote(password or '')}"
    place = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    return urllib.parse.urlunsplit(place), base64.b64encode(pair.encode()).decode()


def _impersonation(user: Entry) -> list[tuple[str, str]]:
    """Headers for `as`, `as-groups`, `as-uid` and `as-user-extra`. Source: k8s.io/client-go v0.37 transport/round_trippers.go"""
    headers = [("Impersonate-User", name)] if (name := user.text("as")) else []
    headers += [("Impersonate-Group", group) for group in user.texts("as-groups")]
    headers += [("Impersonate-Uid", uid)] if (uid := user.text("as-uid")) else []
    extra = user.entry("as-user-extra")
    for key in extra.fields:
        name = urllib.parse.quote(str(key), safe="!#$&'*+-.^_`|~")
        headers += [(f"Impersonate-Extra-{name}", value) for value in extra.texts(key)]
    return headers


def _in_cluster(tried: Sequence[Path]) -> ClientConfig:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise ConfigError(
            f"no kubeconfig: {tried[0]} does not exist, and this is no Pod",
            "name one with --kubeconfig or KUBECONFIG, or read files: scan and explain take --from",
        )
    namespace = SERVICE_ACCOUNT / "namespace"
    return ClientConfig(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=namespace.read_text().strip() if namespace.is_file() else "default",
        origin=str(SERVICE_ACCOUNT),
        context="in-cluster",
        user="service account",
        ca_pem=_read(SERVICE_ACCOUNT / "ca.crt", "CA certificate").decode(),
        _user=Entry({"tokenFile": str(SERVICE_ACCOUNT / "token")}, f"the service account in {SERVICE_ACCOUNT}"),
    )


def _inline_or_file(entry: Entry, name: str, base: Path) -> bytes:
    if inline := entry.text(f"{name}-data"):
        try:
            return base64.b64decode(inline, validate=True)
        except (binascii.Error, ValueError):
            raise ConfigError(f"{name}-data of {entry.whose} is not base64") from None
    if path := entry.text(name):
        return _read(base / path, name)
    return b""
