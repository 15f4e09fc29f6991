"""The bill of materials of a release: what the image installs beside the wheel, with licenses, and what needs what.
The hashes of these are in requirements/image.txt.

Made by cyclonedx-bom from an environment that has just that. Python itself, and the libraries that an archive brings along with it, are
the base image's and the builder's, and are not in it.
Source: CycloneDX 1.6
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import ghostkey

FILE = "ghostkey.cdx.json"


def build_sbom(root: Path, out: Path, run: Callable[..., None]) -> Path:
    """Writes the bill as CycloneDX JSON; `run` runs a command or raises SystemExit."""
    with tempfile.TemporaryDirectory() as place:
        environment, found = Path(place) / "venv", Path(place) / FILE
        run(sys.executable, "-m", "venv", "--without-pip", str(environment))
        python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
        pip = (sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--disable-pip-version-check")
        run(*pip, "--require-hashes", "-r", str(root / "requirements" / "image.txt"))
        words = ("--pyproject", str(root / "pyproject.toml"), "--spec-version", "1.6", "--output-reproducible", "--validate")
        run(sys.executable, "-m", "cyclonedx_py", "environment", *words, "--output-file", str(found), str(python))
        bill = json.loads(found.read_bytes())
    component = bill["metadata"]["component"]
    component["version"] = ghostkey.__version__
    component["purl"] = f"pkg:pypi/ghostkey@{ghostkey.__version__}"
    (out / FILE).write_text(json.dumps(bill, indent=1, sort_keys=True) + "\n")
    return out / FILE
