"""Kubeconfigs as kubectl takes them, against a real API server; what is missing or broken is named."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ghostkey.testing import ControlPlane
from tests.helpers import Done, Program, make_map


def cluster(config: dict[str, Any]) -> dict[str, Any]:
    return config["clusters"][0]["cluster"]  # type: ignore[no-any-return]


def user(config: dict[str, Any]) -> dict[str, Any]:
    return config["users"][0]["user"]  # type: ignore[no-any-return]


def token(control_plane: ControlPlane, namespace: str) -> str:
    """A token of a service account that may do everything."""
    name = f"robot-{namespace}"
    control_plane.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})
    control_plane.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
        "metadata": {"name": name}, "roleRef": {"kind": "ClusterRole", "name": "cluster-admin", "apiGroup": "rbac.authorization.k8s.io"},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    })  # fmt: skip
    made = control_plane.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", {"spec": {}})
    return str(made["status"]["token"])


def test_client_certificates_inline_and_in_files(edited: Callable[..., Done], tmp_path: Path) -> None:
    assert edited(lambda config: None).code == 0
    assert edited(lambda config: None, form="json").code == 0

    def to_files(config: dict[str, Any]) -> None:
        for entry, names in ((user(config), ("client-certificate", "client-key")), (cluster(config), ("certificate-authority",))):
            for name in names:
                (tmp_path / f"{name}.pem").write_bytes(base64.b64decode(entry.pop(f"{name}-data")))
                entry[name] = f"{name}.pem"  # relative to the kubeconfig

    assert edited(to_files).code == 0


def test_tokens_inline_and_in_a_file(
    edited: Callable[..., Done], control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    secret = token(control_plane, namespace)
    assert edited(lambda config: config["users"][0].update(user={"token": secret})).code == 0
    (tmp_path / "token").write_text(secret + "\n")
    assert edited(lambda config: config["users"][0].update(user={"tokenFile": "token"})).code == 0
    wrong = edited(lambda config: config["users"][0].update(user={"token": "wrong"}))
    assert wrong.code == 3
    assert "401 Unauthorized" in wrong.err
    assert "hint: the credentials are missing or have expired" in wrong.err


def plugin(tmp_path: Path, body: str) -> dict[str, Any]:
    path = tmp_path / "plugin"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    version = "client.authentication.k8s.io/v1"
    return {
        "exec": {
            "apiVersion": version,
            "command": "./plugin",
            "interactiveMode": "Never",
            "provideClusterInfo": True,
            "env": [{"name": "GREETING", "value": "hello"}],
            "args": ["get", "token"],
        }
    }


def credential(**status: str) -> str:
    return json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status})


def test_exec_plugin_gives_a_token(
    edited: Callable[..., Done], control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    secret = token(control_plane, namespace)
    body = f"""[ "$GREETING" = hello ] && [ "$1 $2" = "get token" ] || exit 7
case "$KUBERNETES_EXEC_INFO" in *ExecCredential*https://127.0.0.1*) ;; *) exit 8 ;; esac
echo '{credential(token=secret)}'"""
    assert edited(lambda config: config["users"][0].update(user=plugin(tmp_path, body))).code == 0


def test_exec_plugin_gives_a_certificate(edited: Callable[..., Done], control_plane: ControlPlane, tmp_path: Path) -> None:
    pair = user(json.loads(control_plane.kubeconfig.read_text()))
    certificate, key = (base64.b64decode(pair[f"client-{name}-data"]).decode() for name in ("certificate", "key"))
    (tmp_path / "answer.json").write_text(credential(clientCertificateData=certificate, clientKeyData=key))
    body = f"cat {tmp_path / 'answer.json'}"
    assert edited(lambda config: config["users"][0].update(user=plugin(tmp_path, body))).code == 0


def test_expired_token_of_a_plugin_is_renewed_once(
    edited: Callable[..., Done], control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    (tmp_path / "good.json").write_text(credential(token=token(control_plane, namespace)))
    (tmp_path / "bad.json").write_text(credential(token="revoked"))
    body = f"cd {tmp_path}; if [ -e asked ]; then cat good.json; else touch asked; cat bad.json; fi"
    assert edited(lambda config: config["users"][0].update(user=plugin(tmp_path, body))).code == 0


@pytest.mark.parametrize(("body", "words"), [
    ("echo 'please log in' >&2; exit 3", "ended with code 3: please log in"),
    ("echo not json", "printed no ExecCredential"),
    ("echo '{\"status\": null}'", "printed no ExecCredential"),
])  # fmt: skip
def test_failing_plugin_is_quoted(edited: Callable[..., Done], tmp_path: Path, body: str, words: str) -> None:
    done = edited(lambda config: config["users"][0].update(user=plugin(tmp_path, body)))
    assert done.code == 2
    assert words in done.err
    assert "'./plugin'" in done.err


def test_missing_plugin_shows_its_install_hint(edited: Callable[..., Done], tmp_path: Path) -> None:
    missing = plugin(tmp_path, "")
    missing["exec"] |= {"command": "no-such-plugin", "installHint": "brew install it"}
    done = edited(lambda config: config["users"][0].update(user=missing))
    assert (done.code, "hint: brew install it" in done.err) == (2, True)


def test_tls_server_name(edited: Callable[..., Done]) -> None:
    assert edited(lambda config: cluster(config).update({"tls-server-name": "localhost"})).code == 0
    wrong = edited(lambda config: cluster(config).update({"tls-server-name": "other.example"}))
    assert wrong.code == 5
    assert "TLS certificate not accepted" in wrong.err


def test_other_authority_is_refused_and_insecure_is_not(edited: Callable[..., Done]) -> None:
    done = edited(lambda config: cluster(config).pop("certificate-authority-data"))
    assert done.code == 5
    assert "TLS certificate not accepted" in done.err
    assert "hint: check certificate-authority" in done.err

    def insecure(config: dict[str, Any]) -> None:
        cluster(config).pop("certificate-authority-data")
        cluster(config)["insecure-skip-tls-verify"] = True

    assert edited(insecure).code == 0


def test_impersonation_by_flag_and_by_kubeconfig(edited: Callable[..., Done]) -> None:
    denied = edited(lambda config: None, "--as", "nobody")
    assert denied.code == 3
    assert 'User "nobody" cannot' in denied.err
    assert edited(lambda config: None, "--as", "nobody", "--as-group", "system:masters").code == 0
    assert edited(lambda config: user(config).update({"as": "nobody"})).code == 3
    assert edited(lambda config: None, "--as-group", "x").code == 2


def test_context_and_merged_files(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    make_map(control_plane, namespace, "settings", {"a": "1"})
    config = json.loads(control_plane.kubeconfig.read_text())
    context = {"name": "second", "context": {**config["contexts"][0]["context"], "namespace": namespace}}
    (tmp_path / "contexts").write_text(yaml.safe_dump({"contexts": [context]}))
    both = {"KUBECONFIG": f"{tmp_path / 'contexts'}:{tmp_path / 'absent'}:{control_plane.kubeconfig}"}
    program = Program(tmp_path / "state", None)
    # the namespace of the context is the one that a bare cm/NAME is looked for in
    assert program("scan", "cm/settings", "--context", "second", env=both).code == 0
    wrong = program("scan", "--context", "third", env=both)
    assert wrong.code == 2
    assert "no context 'third'" in wrong.err
    assert "known: second, testbed" in wrong.err


def test_in_cluster(control_plane: ControlPlane, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files and variables a Pod has, with the real server's CA and a real token."""
    from ghostkey.kube import config as module
    from ghostkey.kube.client import ApiClient

    account = tmp_path / "serviceaccount"
    account.mkdir()
    (account / "token").write_text(token(control_plane, namespace))
    (account / "namespace").write_text(namespace)
    (account / "ca.crt").write_bytes((control_plane.directory / "ca.crt").read_bytes())
    host, port = control_plane.url.removeprefix("https://").split(":")
    monkeypatch.setattr(module, "SERVICE_ACCOUNT", account)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    config = module.load_config()
    assert (config.namespace, config.context) == (namespace, "in-cluster")
    assert ApiClient(config).get_object(f"/api/v1/namespaces/{namespace}") is not None


@pytest.mark.parametrize(("text", "words"), [
    ("", "holds no configuration"),
    ("a: [", "not valid YAML"),
    ("users: [{name: x, user: {token: hunter2: [", "not valid YAML (line 1)"),
    ("{}", "no current-context"),
    ("current-context: a", "no context 'a'"),
    ("current-context: a\ncontexts: [{name: a, context: {cluster: c}}]", "no cluster 'c'"),
    ("current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\nclusters: [{name: c, cluster: {}}]", "has no server"),
    ("current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: 'https://x'}}]", "no user 'u'"),
    ("current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: 'ftp://x'}}]", "no http or https URL"),
    ("current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: 'https://x', certificate-authority-data: '%'}}]", "not base64"),
    ("current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: 'https://x', certificate-authority: nowhere}}]", "nowhere: No such file"),
])  # fmt: skip
def test_broken_kubeconfig_is_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "kubeconfig").write_text(text)
    done = Program(tmp_path / "state", tmp_path / "kubeconfig")("scan")
    assert done.code in {2, 5}
    assert words in done.err
    assert "hunter2" not in done.err


def test_missing_kubeconfig_is_named(tmp_path: Path) -> None:
    done = Program(tmp_path / "state", tmp_path / "nowhere")("scan")
    assert (done.code, "nowhere does not exist" in done.err) == (2, True)
    none = Program(tmp_path / "state", None)("scan")
    assert (none.code, "this is no Pod" in none.err) == (2, True)


def test_expired_certificate_is_said(control_plane: ControlPlane, tmp_path: Path) -> None:
    path = control_plane.kubeconfig_for("late", groups=["system:masters"], is_expired=True)
    done = Program(tmp_path / "state", path)("scan")
    assert done.code == 3
    assert "401 Unauthorized" in done.err
    assert "expired" in done.err


def test_unreachable_server_is_named(edited: Callable[..., Done]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    done = edited(lambda config: cluster(config).update(server=f"https://127.0.0.1:{port}"))
    assert done.code == 5
    assert f"127.0.0.1:{port}: Connection refused" in done.err
    assert "hint: is the server of context 'testbed' running" in done.err


# fields by type, as client-go; secrets stay out of what is said


@pytest.mark.parametrize(("where", "name", "value", "words"), [
    ("cluster", "insecure-skip-tls-verify", "true", "is a text, not true or false"),
    ("cluster", "insecure-skip-tls-verify", "no", "is a text, not true or false"),
    ("cluster", "insecure-skip-tls-verify", 1, "is a number, not true or false"),
    ("cluster", "proxy-url", 5, "is a number, not a text"), ("cluster", "tls-server-name", ["x"], "is a list, not a text"),
    ("cluster", "server", 6443, "is a number, not a text"),
    ("user", "token", 987654321, "is a number, not a text"), ("user", "token", {"hunter2": "x"}, "is a map, not a text"),
    ("user", "as-groups", "hunter2", "is a text, not a list of texts"), ("user", "as-groups", [1], "is a list of other things"),
    ("user", "as", 5, "is a number, not a text"), ("user", "as-user-extra", ["x"], "is a list, not a map"),
    ("user", "exec", "hunter2", "is a text, not a map"),
    ("user", "exec", {"apiVersion": "client.authentication.k8s.io/v1", "command": "x", "env": {"hunter2": "x"}}, "env of user"),
    ("user", "exec", {"apiVersion": "client.authentication.k8s.io/v1", "command": "x", "args": "hunter2"}, "args of user"),
    ("user", "exec", {"apiVersion": "client.authentication.k8s.io/v1", "command": "x", "provideClusterInfo": "hunter2"}, "provideClusterInfo of user"),
    ("user", "auth-provider", "hunter2", "is a text, not a map"), ("user", "tokenFile", 5, "is a number, not a text"),
])  # fmt: skip
def test_field_of_the_wrong_type_is_an_error_that_shows_no_value(
    edited: Callable[..., Done], where: str, name: str, value: Any, words: str
) -> None:
    done = edited(lambda config: {"cluster": cluster, "user": user}[where](config).update({name: value}))
    assert (done.code, words in done.err) == (2, True), done.err
    assert "hunter2" not in done.err
    assert "987654321" not in done.err


@pytest.mark.parametrize("section", ["users", "clusters", "contexts"])
@pytest.mark.parametrize("value", [{}, "hunter2", ["hunter2"], 5])
def test_section_of_the_wrong_type_is_named(edited: Callable[..., Done], section: str, value: Any) -> None:
    done = edited(lambda config: config.update({section: value}))
    assert (done.code, f"{section} of kubeconfig" in done.err) == (2, True), done.err
    assert "hunter2" not in done.err


def test_false_in_quotes_does_not_switch_certificates_off(edited: Callable[..., Done]) -> None:
    assert edited(lambda config: cluster(config).update({"insecure-skip-tls-verify": "false"})).code == 0

    def without_authority(config: dict[str, Any]) -> None:
        cluster(config).pop("certificate-authority-data")
        cluster(config)["insecure-skip-tls-verify"] = "false"

    refused = edited(without_authority)
    assert (refused.code, "TLS certificate not accepted" in refused.err) == (5, True)


def test_authority_and_insecure_together_are_an_error_as_in_kubectl(edited: Callable[..., Done]) -> None:
    done = edited(lambda config: cluster(config).update({"insecure-skip-tls-verify": True}))
    assert (done.code, "certificate-authority and insecure-skip-tls-verify" in done.err) == (2, True)


def test_authority_that_is_no_certificate_is_named(edited: Callable[..., Done]) -> None:
    done = edited(lambda config: cluster(config).update({"certificate-authority-data": base64.b64encode(b"x").decode()}))
    assert (done.code, "holds no certificate in PEM" in done.err) == (2, True), done.err


@pytest.mark.parametrize(
    "secret", ["hunter2\nX-Injected: yes", "hunter2\n", "hunter2\r", "hunter2\x00", "hunter2é", "hunter2\x7f"]
)
def test_token_with_a_line_feed_is_never_shown(edited: Callable[..., Done], secret: str, tmp_path: Path) -> None:
    inline = edited(lambda config: config["users"][0].update(user={"token": secret}))
    (tmp_path / "answer.json").write_text(credential(token=secret))
    body = f"cat {tmp_path / 'answer.json'}"
    plugged = edited(lambda config: config["users"][0].update(user=plugin(tmp_path, body)))
    for done in (inline, plugged):
        assert done.code == 2
        assert "the token of user 'ghostkey-admin' in" in done.err
        assert "no header may hold" in done.err
        assert "hunter2" not in done.err + done.out


def test_user_to_impersonate_with_a_line_feed_is_refused(edited: Callable[..., Done]) -> None:
    done = edited(lambda config: None, "--as", "x\nImpersonate-Group: system:masters")
    assert (done.code, "line feed" in done.err) == (2, True)


def test_failing_plugin_tells_nothing_of_its_arguments_or_output(edited: Callable[..., Done], tmp_path: Path) -> None:
    failing = plugin(tmp_path, 'echo "token: stdout-hunter2"; echo "cannot log in with $2 and $GREETING" >&2; exit 3')
    failing["exec"] |= {
        "args": ["--secret", "arg-Hunter2", "--key=flag-Hunter2"],
        "env": [{"name": "GREETING", "value": "env-Hunter2"}],
    }
    done = edited(lambda config: config["users"][0].update(user=failing))
    assert done.code == 2
    assert "ended with code 3: cannot log in with … and …" in done.err
    assert "unter2" not in done.err


def test_failing_plugin_tells_nothing_of_arguments_that_are_plain_words(edited: Callable[..., Done], tmp_path: Path) -> None:
    failing = plugin(tmp_path, 'echo "cannot run login $* in $GREETING with ${2}" >&2; exit 3')
    failing["exec"] |= {
        "args": ["--password", "correct-horse-battery", "-pstaple", "--key=hunter", "-k", "-Z"],
        "env": [{"name": "GREETING", "value": "swordfish"}],
    }
    done = edited(lambda config: config["users"][0].update(user=failing))
    assert done.code == 2
    assert "cannot run login --password … … --key=… -k -Z in … with …" in done.err


def test_plugin_that_cannot_be_run_tells_nothing_of_its_arguments(edited: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "plugin").write_text("")
    for command, arguments in (("./plugin", ["Hunter2"]), (str(tmp_path), ["Hunter2"]), ("sh", ["Hun\0ter2"])):
        broken = plugin(tmp_path, "")
        (tmp_path / "plugin").chmod(0o644)
        broken["exec"] |= {"command": command, "args": arguments}
        done = edited(lambda config, broken=broken: config["users"][0].update(user=broken))  # type: ignore[misc]
        assert done.code == 2
        assert "ter2" not in done.err


@pytest.mark.parametrize(
    "status", [{"token": 5}, {"token": "x", "expirationTimestamp": 5}, {"token": "x", "expirationTimestamp": "soon"}, []]
)
def test_answer_of_a_plugin_of_the_wrong_type_is_no_credential(edited: Callable[..., Done], tmp_path: Path, status: Any) -> None:
    (tmp_path / "answer.json").write_text(json.dumps({"status": status}))
    done = edited(lambda config: config["users"][0].update(user=plugin(tmp_path, f"cat {tmp_path / 'answer.json'}")))
    assert (done.code, "printed no ExecCredential" in done.err) == (2, True)


def test_token_file_comes_before_the_token_and_the_token_where_there_is_no_file(
    edited: Callable[..., Done], control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    good = token(control_plane, namespace)
    (tmp_path / "good").write_text(good + "\n")
    assert edited(lambda config: config["users"][0].update(user={"token": "wrong", "tokenFile": "good"})).code == 0
    assert edited(lambda config: config["users"][0].update(user={"token": good, "tokenFile": "nowhere"})).code == 0
    done = edited(lambda config: config["users"][0].update(user={"tokenFile": "nowhere"}))
    assert (done.code, "nowhere: No such file" in done.err) == (2, True)


def test_token_and_username_are_one_too_many(edited: Callable[..., Done]) -> None:
    done = edited(lambda config: config["users"][0].update(user={"token": "hunter2", "username": "x", "password": "hunter2"}))
    assert (done.code, "a token and a username" in done.err, "hunter2" in done.err) == (2, True, False)


def test_groups_without_a_user_to_impersonate_are_refused(edited: Callable[..., Done]) -> None:
    done = edited(lambda config: user(config).update({"as-groups": ["system:masters"]}))
    assert (done.code, "without a user" in done.err) == (2, True)


def test_uid_and_extra_are_impersonated_and_flags_come_before_the_kubeconfig(
    edited: Callable[..., Done],
) -> None:
    def somebody(config: dict[str, Any]) -> None:
        extra = {"acme.com/team": ["red"]}
        user(config).update({"as": "first", "as-uid": "uid-1", "as-user-extra": extra, "as-groups": ["system:masters"]})

    assert edited(somebody).code == 0
    # the flag's user in place of the file's, whose groups stay, as with kubectl
    assert edited(somebody, "--as", "second").code == 0
    denied = edited(somebody, "--as", "second", "--as-group", "nobodies")
    assert (denied.code, 'User "second" cannot' in denied.err) == (3, True)
