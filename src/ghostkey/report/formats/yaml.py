"""What `-o json` prints, as YAML."""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.kube.yaml_text import dump_yaml
from ghostkey.report.findings import Format, Report, document
from ghostkey.report.visible import INVISIBLE


def _pieces(report: Report) -> Iterator[str]:
    found = document(report)
    text = dump_yaml(found)
    # YAML's own escapes mean the same, those of a terminal would be other names
    is_shown = INVISIBLE.search(text) is None and report.screen.shows(text)
    yield (text if is_shown else dump_yaml(found, is_ascii=True)).removesuffix("\n")


FORMAT = Format(_pieces)
