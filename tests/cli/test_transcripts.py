"""What a person sees, word for word: `tests/transcripts/*.txt` holds command lines with their output and exit codes.

`make transcripts` writes them anew; read the difference before you commit it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

import pytest

from tests.helpers import Program, config_map, secret, thing

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"
REWRITE = bool(os.environ.get("GHOSTKEY_WRITE_TRANSCRIPTS"))
LIVE, GONE = [f"shop-{n}" for n in range(8)], ["bakery-1", "kiosk-7", "mill-3"]


def dump() -> dict[str, object]:
    """A small cluster: a registry that leaks, a correct one, settings, and a Secret that was encoded twice."""
    tenants = [thing("Tenant", name) for name in LIVE]
    registry = config_map({f"prod.{name}": json.dumps({"plan": "gold"}) for name in LIVE + GONE})
    correct = config_map({f"{name}.json": "{}" for name in LIVE}, name="plans")
    settings = config_map({"log.level": "info", "retries": "3", "timeout": "30s"}, name="settings")
    doubled = secret({"password": "c3VwZXItc2VjcmV0LXBhc3N3b3Jk"}, name="credentials")
    spaces = [thing("Namespace", name, "", api_version="v1") for name in ("prod", "test")]
    return {"apiVersion": "v1", "kind": "List", "items": [*spaces, *tenants, registry, correct, settings, doubled]}


def play(program: Program, folder: Path, script: list[str]) -> str:
    """The transcript of these command lines; each is run with the dump in its folder."""
    lines = []
    for command in script:
        words = [word.replace("DUMP", str(folder / "dump.json")).replace("TMP", str(folder)) for word in shlex.split(command)]
        done = program(*words)
        lines.append(f"$ ghostkey {command}")
        for text in (done.out, done.err):
            lines += [re.sub(re.escape(str(folder)), "TMP", line).rstrip() for line in text.splitlines()]
        lines.append(f"[exit {done.code}]\n")
    return "\n".join(lines)


@pytest.mark.parametrize("path", sorted(TRANSCRIPTS.glob("*.txt")), ids=lambda path: path.stem)
def test_program_says_what_the_transcript_says(path: Path, files_program: Program, tmp_path: Path) -> None:
    expected = path.read_text()
    (tmp_path / "dump.json").write_text(json.dumps(dump()))
    (tmp_path / "broken.yaml").write_text("a: [1, 2\nb: {")
    (tmp_path / "kubeconfig").write_text("apiVersion: v1\nclusters: []\n")
    script = [line.removeprefix("$ ghostkey ") for line in expected.splitlines() if line.startswith("$ ghostkey ")]
    said = play(files_program, tmp_path, script)
    if REWRITE:
        path.write_text(said)
    assert script
    assert said == expected


def test_every_exit_code_of_dumps_is_in_a_transcript() -> None:
    text = "".join(path.read_text() for path in TRANSCRIPTS.glob("*.txt"))
    assert {"[exit 0]", "[exit 1]", "[exit 2]", "[exit 3]", "[exit 5]"} <= set(re.findall(r"\[exit \d\]", text))
