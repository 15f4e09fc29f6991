"""Names from strangers on all terminals, and errors that nobody foresaw."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ghostkey.cli.terminal import INVISIBLE
from ghostkey.report.formats import format_names
from tests.helpers import Program, read_terminal
from tests.sources.test_manifests import OBJECTS, config_map

EVIL = "\x1b[31m\x1b]0;owned\x07\r\u202egnp.exe\u2066\u200b\ufeff\x7f\x9b2J\ud83d\n"
SHOWN = {"größe", "日本"}


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """Ghosts whose names do what names should not."""
    gone = [f"prod.shop-{number}{tail}" for number, tail in ((8, ""), (9, ""), (10, ""))]
    odd = config_map(
        {**{f"prod.shop-{n}": "{}" for n in range(8)}, **dict.fromkeys(gone, "{}")}, "odd\x1b[31m\u202e-größe-日本\x9b2J"
    )
    odd["metadata"]["annotations"] = {"ghostkey.dev/subject": "no\x1b[2Jsuch\u202e=x"}
    broken = {"apiVersion": "v1", "kind": "Con\u202efig\x1b[31mMap", "metadata": {}}
    path = tmp_path / "dump.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [*OBJECTS[:-1], odd, broken]}))
    return path


def is_clean(text: str) -> bool:
    return INVISIBLE.search(text) is None


@pytest.mark.whole(
    but=[
        "utf-8-csv",
        "utf-8-name",
        "cp1252-github",
        "cp1252-openreports",
        "latin-1-gitlab",
        "latin-1-table",
        "ascii-jsonl",
        "ascii-wide",
        "nonsense-junit",
    ]
)
@pytest.mark.parametrize("form", format_names())
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "latin-1", "ascii", "nonsense"])
def test_output_in_any_encoding_shows_what_it_can(files_program: Program, dump: Path, form: str, encoding: str) -> None:
    environment = {**files_program.environment(), "PYTHONIOENCODING": encoding if encoding != "nonsense" else "ascii:strict"}
    words = [sys.executable, "-m", "ghostkey", "scan", "--from", str(dump), "-o", form]
    done = subprocess.run(words, env=environment, capture_output=True, check=False)
    known = {"nonsense": "ascii"}.get(encoding, encoding)
    err = done.stderr.decode(known)
    assert done.returncode == 3, err
    assert "not seen" in err
    assert is_clean(err)
    out = done.stdout.decode("utf-8" if form in {"json", "jsonl", "sarif", "gitlab", "openreports"} else known)
    assert is_clean(out)
    if form in {"json", "yaml"}:
        report = json.loads(out) if form == "json" else yaml.safe_load(out)
        assert {found["name"] for found in report["findings"]} == {"odd\x1b[31m\u202e-größe-日本\x9b2J"}
    elif form == "wide":
        assert "odd\\x1b[31m\\u202e-" in out
        assert ("größe" in out) == (encoding not in {"ascii", "nonsense"})
        assert ("日本" in out) == (encoding == "utf-8")


def test_a_terminal_gets_our_colours_and_no_strangers(files_program: Program, dump: Path) -> None:
    master, slave = pty.openpty()
    environment = {k: v for k, v in files_program.environment().items() if k != "NO_COLOR"} | {"TERM": "xterm"}
    words = [sys.executable, "-m", "ghostkey", "scan", "--from", str(dump), "--color", "always"]
    running = subprocess.Popen(words, env=environment, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    out = read_terminal(master)
    assert running.wait() == 3
    assert b"\x1b[33mghost-key\x1b[0m" in out or b"\x1b[33mghost-key" in out
    assert set(re.findall(rb"\x1b\[[0-9;]*[A-Za-z]", out)) <= {
        b"\x1b[1m",
        b"\x1b[0m",
        b"\x1b[33m",
        b"\x1b[31m",
        b"\x1b[36m",
        b"\x1b[2K",
    }
    assert b"odd\\x1b[31m" in out


def test_words_of_the_command_line_come_back_escaped(files_program: Program) -> None:
    for words in (("scan", "--from", f"/{EVIL[:-2]}"), ("scan", f"--{EVIL[:6]}"), ("explain", EVIL[:6]), ("nope\x1b[31m",)):
        done = files_program(*words)
        assert done.code in {2, 5}
        assert is_clean(done.err)


def test_explain_and_the_next_line_show_no_strangers_characters(files_program: Program, dump: Path) -> None:
    finding = files_program.scan("--from", str(dump))["findings"][0]
    done = files_program("explain", finding["id"])
    assert done.code == 0
    assert is_clean(done.out)


BROKEN = """
import sys
import ghostkey.cli.version as version
def fail():
    raise KeyError("hunter2")
version.command.callback = fail
sys.argv = ["ghostkey", *sys.argv[1:]]
from ghostkey.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("words", "is_told"),
    [(("version",), False), (("version", "-v"), True), (("-v", "version"), True), (("version", "--verbose"), True)],
)
def test_an_error_that_nobody_foresaw_is_one_line_and_exit_5(
    files_program: Program, words: tuple[str, ...], is_told: bool
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BROKEN, *words], env=files_program.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 5
    lines = done.stderr.splitlines()
    assert lines[0].startswith("error: this is a bug in ghostkey: KeyError")
    assert ("run again with -v" in lines[0]) != is_told
    assert any(" in fail" in line for line in lines[1:]) == is_told
    # what the error says may be a value
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr


def test_every_command_takes_v(files_program: Program) -> None:
    for words in (
        ("scan", "-v"),
        ("history", "list", "-v"),
        ("-v", "history", "list"),
        ("rbac", "-v"),
        ("completion", "-v", "bash"),
    ):
        assert "no such option" not in files_program(*words).err.lower()


def test_a_full_disk_and_a_closed_output_are_no_traceback(files_program: Program) -> None:
    for ending, codes in (("> /dev/full", {5}), (">&-", {0, 5}), ("2>&- >&-", {0, 5}), ("| true", {0, 141})):
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", f"{sys.executable} -m ghostkey rbac {ending}"],
            env=files_program.environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode in codes, done
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr


def test_nothing_else_prints() -> None:
    """One way out: no command writes to a stream of its own, or colours text itself."""
    import ghostkey.cli

    folder = Path(ghostkey.cli.__file__).parent
    for file in folder.glob("*.py"):
        if file.name in {"terminal.py"}:
            continue
        text = file.read_text()
        assert "click.style" not in text, file.name
        assert "print(" not in re.sub(r"\w+_?print\(|print_\w+\(", "", text), file.name
        assert "x1b" not in text, file.name
