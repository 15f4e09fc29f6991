"""A Pod's files for an operator that takes no kubeconfig: token, ca.crt and namespace, where every Pod has them.

    python in_cluster.py FOLDER PROGRAM ARGUMENT…

shows the program FOLDER as /var/run/secrets/kubernetes.io/serviceaccount, and becomes it. The program has a mount namespace of its own
for that: nothing is made on the machine, and nobody else sees it. Needs only the standard library, as it is started once for each start.
Source: client-go rest/config.go, InClusterConfig; mount_namespaces(7), user_namespaces(7).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000  # Source: linux/sched.h
_MS_BIND, _MS_MOVE, _MS_REC, _MS_PRIVATE = 0x1000, 0x2000, 0x4000, 0x40000  # Source: linux/mount.h
_PR_SET_PDEATHSIG = 1
CANNOT = 126  # as a shell's "cannot be executed"


def write_files(folder: Path, ca: Path, namespace: str, token: str) -> Path:
    """Makes the three files. The token is for the proxy alone, which knows as whom to ask."""
    folder.mkdir(mode=0o700, exist_ok=True)
    shutil.copyfile(ca, folder / "ca.crt")
    (folder / "namespace").write_text(namespace)
    with os.fdopen(os.open(folder / "token", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        handle.write(token)
    for made in (_mounts(folder), _nothing(folder)):
        made.mkdir(mode=0o700, exist_ok=True)
    return folder


def _mounts(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-mounts")


def _nothing(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-nothing")


def environment(kubeconfig: Path) -> dict[str, str]:
    """What every Pod is told of where the API server is; here where the kubeconfig leads."""
    server = json.loads(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    host, _, port = server.removeprefix("https://").partition(":")
    return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}


def argv_with(folder: Path, argv: Sequence[str]) -> list[str]:
    """The words that start a program with these files."""
    return [sys.executable, "-I", "-S", __file__, str(folder), *argv]


def why_not(folder: Path) -> str:
    """Why programs cannot be given these files here; "" when they can."""
    there = ["sh", "-c", f'test -s "{SERVICE_ACCOUNT}/token"']
    done = subprocess.run(argv_with(folder, there), capture_output=True, text=True, check=False)
    return done.stderr.strip() or f"code {done.returncode}" if done.returncode else ""


def _call(name: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _mount(source: Path | str, target: Path | str, kind: str | None, flags: int) -> None:
    words = [os.fsencode(source), os.fsencode(target), kind.encode() if kind else None]
    _call("mount", *words, ctypes.c_ulong(flags), None)


def _own_namespace() -> None:
    """A mount namespace of our own; of a user namespace where only that is allowed. Raises OSError."""
    uid, gid = os.getuid(), os.getgid()
    try:
        _call("unshare", _CLONE_NEWNS)
    except PermissionError:
        _call("unshare", _CLONE_NEWUSER | _CLONE_NEWNS)
        # the same ids inside: the operator is who it always is
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL)
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)


def _show(folder: Path, target: Path) -> None:
    """Has `target` be `folder`. What is missing of its path is made in a copy of the last folder that is there, which only we see."""
    there = target
    while not there.is_dir():
        there = there.parent
    if there != target:
        scratch = _mounts(folder)
        _mount("none", scratch, "tmpfs", 0)
        for entry in os.scandir(there):
            place = scratch / entry.name
            if entry.is_symlink():
                place.symlink_to(os.readlink(entry.path))
                continue
            if entry.is_dir(follow_symlinks=False):
                place.mkdir()
            else:
                place.touch()
            # what may not be shown elsewhere (a mount of a stronger namespace) is missing in our copy
            with contextlib.suppress(OSError):
                _mount(entry.path, place, None, _MS_BIND | _MS_REC)
        (scratch / target.relative_to(there)).mkdir(parents=True)
        _mount(scratch, there, None, _MS_MOVE)
    _mount(folder, target, None, _MS_BIND)


def _hide_kubeconfigs(folder: Path) -> None:
    """Shows empty folders where clients look for a kubeconfig before they look for a Pod's files: those lead to other clusters."""
    homes = {os.environ.get("HOME", "")}
    with contextlib.suppress(KeyError):
        homes.add(pwd.getpwuid(os.getuid()).pw_dir)
    for home in homes - {""}:
        if (kept := Path(home, ".kube")).is_dir():
            _mount(_nothing(folder), kept.resolve(), None, _MS_BIND)


def main(folder: str, *argv: str) -> None:
    """Becomes the program."""
    try:
        _own_namespace()
        _show(Path(folder), SERVICE_ACCOUNT.resolve())
        _hide_kubeconfigs(Path(folder))
    except OSError as error:
        sys.exit(f"a Pod's files cannot be shown to the operator: {error.strerror}")
    # a program that may use a kubeconfig is to use these files
    environment = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    try:
        os.execvpe(argv[0], argv, environment)  # noqa: S606
    except OSError as error:
        print(f"{argv[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(CANNOT)


if __name__ == "__main__":
    main(*sys.argv[1:])
