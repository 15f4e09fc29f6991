"""kubectl's global flags over what a kubeconfig says of a cluster and a user.

Source: k8s.io/client-go v0.37 tools/clientcmd: ConfigOverrides, client_config.go
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ghostkey.kube.typed import Entry

# what else says who asks; a token that is given is instead of all of it
_OTHER_WAYS = ("token", "tokenFile", "exec", "username", "password", "auth-provider")


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags as they were given; "" is not given. Files are relative to the current folder."""

    cluster: str = ""
    user: str = ""
    server: str = ""
    token: str = field(default="", repr=False)
    as_uid: str = ""
    certificate_authority: str = ""
    client_certificate: str = ""
    client_key: str = ""
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False

    def words(self) -> list[tuple[str, str]]:
        """(option, value) to repeat; a token is none that is repeated."""
        named = {name.replace("_", "-"): getattr(self, name) for name in self.__slots__ if name != "token"}
        return [(f"--{name}", "" if value is True else str(value)) for name, value in named.items() if value]

    def over_cluster(self, entry: Entry) -> Entry:
        """The cluster with what the flags say."""
        fields: dict[str, Any] = dict(entry.fields)
        if self.server:
            fields["server"] = self.server
        if self.tls_server_name:
            fields["tls-server-name"] = self.tls_server_name
        if self.certificate_authority or self.insecure_skip_tls_verify:
            # one of them is given: what the file says of the other would contradict it
            for name in ("certificate-authority", "certificate-authority-data", "insecure-skip-tls-verify"):
                fields.pop(name, None)
            fields |= _file("certificate-authority", self.certificate_authority)
            fields |= {"insecure-skip-tls-verify": True} if self.insecure_skip_tls_verify else {}
        return Entry(fields, entry.whose)

    def over_user(self, entry: Entry) -> Entry:
        """The user with what the flags say."""
        fields: dict[str, Any] = dict(entry.fields)
        for name, given in (("client-certificate", self.client_certificate), ("client-key", self.client_key)):
            if given:
                fields.pop(f"{name}-data", None)
                fields |= _file(name, given)
        if self.token:
            fields = {name: value for name, value in fields.items() if name not in _OTHER_WAYS} | {"token": self.token}
        return Entry(fields, entry.whose)


def _file(name: str, path: str) -> Mapping[str, str]:
    return {name: str(Path(path).expanduser().absolute())} if path else {}


NO_FLAGS = Flags()
