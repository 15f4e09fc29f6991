"""What `make release` makes is installed from its files, as users would, and works."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import tree_sitter_ruby
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from tree_sitter import Language, Parser

import ghostkey
from ghostkey.testing import ControlPlane, binary
from tests.helpers import make_registry

ROOT = Path(__file__).parents[2]
LIVE, GONE = [f"live-{number}" for number in range(8)], ["gone-a", "gone-b"]
URL = "https://releases.example.com/v0.1.0"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a release."""
    out = tmp_path_factory.mktemp("release")
    run(sys.executable, "-m", "release", "--out", str(out), "--base-url", URL)
    return out


def run(*command: str, codes: tuple[int, ...] = (0,), cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode in codes, done.stdout + done.stderr
    return done.stdout


def finds_ghosts(program: Path, control_plane: ControlPlane, namespace: str) -> None:
    make_registry(control_plane, namespace, LIVE, GONE)
    words = ("scan", "-n", namespace, "--kubeconfig", str(control_plane.kubeconfig), "-o", "json")
    report = json.loads(run(str(program), *words, codes=(1,), cwd=program.parent))
    assert {finding["key"] for finding in report["findings"]} == {f"{namespace}.{name}" for name in GONE}


@pytest.mark.whole
def test_checksums_are_those_of_the_files(made: Path) -> None:
    lines = dict(reversed(line.split("  ")) for line in (made / "SHA256SUMS").read_text().splitlines())
    assert lines.keys() == {path.name for path in made.iterdir()} - {"SHA256SUMS"}
    for name, digest in lines.items():
        assert hashlib.sha256((made / name).read_bytes()).hexdigest() == digest


@pytest.mark.whole
def test_wheel_is_installed_as_the_container_does_and_finds_ghosts(
    made: Path, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv"))
    into = (sys.executable, "-m", "pip", "--python", str(tmp_path / "venv"), "install", "-q", "--disable-pip-version-check")
    run(*into, "--require-hashes", "-r", "requirements/image.txt")
    run(*into, "--no-deps", "--no-index", str(next(made.glob("*.whl"))))
    finds_ghosts(tmp_path / "venv" / "bin" / "kubectl-ghostkey", control_plane, namespace)


@pytest.mark.whole
def test_archive_is_what_krew_would_install_and_finds_ghosts(
    made: Path, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    plugin = yaml.safe_load((made / "ghostkey.krew.yaml").read_text())
    assert (plugin["kind"], plugin["metadata"]["name"]) == ("Plugin", "ghostkey")
    assert len(plugin["spec"]["shortDescription"]) <= 50
    (platform,) = plugin["spec"]["platforms"]
    assert platform["uri"].startswith(URL + "/")
    archive = made / platform["uri"].rpartition("/")[2]
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == platform["sha256"]
    with tarfile.open(archive) as tar:
        assert {(member.uid, member.gid, member.mtime) for member in tar} == {(0, 0, next(iter(tar.getmembers())).mtime)}
        tar.extractall(tmp_path / "store", filter="data")
    # krew links the program into a folder on the PATH
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "kubectl-ghostkey"
    program.symlink_to(tmp_path / "store" / platform["bin"])
    finds_ghosts(program, control_plane, namespace)
    assert "watch" in run(str(program), "watch", "--help")


@pytest.mark.whole
def test_chart_is_installed_from_its_file(made: Path, control_plane: ControlPlane, namespace: str) -> None:
    chart = next(made.glob("ghostkey-*.tgz"))
    words = ("--namespace", namespace, "--kubeconfig", str(control_plane.kubeconfig))
    run(str(binary("helm")), "install", "gk", str(chart), *words)
    deployment = control_plane.request("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments/gk-ghostkey-watch")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["args"][0] == "watch"
    run(str(binary("helm")), "uninstall", "gk", *words)


@pytest.mark.whole
def test_bill_of_materials_is_valid_and_has_what_the_image_installs(made: Path) -> None:
    text = (made / "ghostkey.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    assert (bill["metadata"]["component"]["name"], bill["metadata"]["component"]["version"]) == ("ghostkey", ghostkey.__version__)
    locked = {line.split()[0].lower() for line in (ROOT / "requirements" / "image.txt").read_text().splitlines() if "==" in line}
    found = {f"{one['name']}=={one['version']}".lower() for one in bill["components"]}
    assert found == {line for line in locked if not line.startswith("colorama")}, "all but what is for Windows"
    assert all(one["licenses"] and one["purl"].startswith("pkg:pypi/") for one in bill["components"])
    (root,) = [one for one in bill["dependencies"] if one["ref"] == bill["metadata"]["component"]["bom-ref"]]
    assert set(root["dependsOn"]) == {one["bom-ref"] for one in bill["components"]}
    assert not re.search(r"file:|/tmp/|" + re.escape(str(ROOT)), text), "nothing of this machine"


@pytest.mark.whole
def test_formula_is_ruby_and_has_the_archive(made: Path) -> None:
    text = (made / "ghostkey.rb").read_bytes()
    tree = Parser(Language(tree_sitter_ruby.language())).parse(text)
    assert not tree.root_node.has_error
    assert Parser(Language(tree_sitter_ruby.language())).parse(text.replace(b"  end\n\n  test", b"  test")).root_node.has_error
    (url,), (digest,) = re.findall(rb'url "([^"]+)"', text), re.findall(rb'sha256 "([^"]+)"', text)
    archive = made / url.decode().removeprefix(f"{URL}/")
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == digest.decode()
    assert re.findall(rb"on_(\w+) do", text) == [
        b"linux" if sys.platform == "linux" else b"macos",
        b"intel" if "amd64" in archive.name else b"arm",
    ]
