"""What stands in a folder and is no Kubernetes object: settings, charts, overlays, pipelines. Counted, and said once."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from ghostkey.model.counts import counted
from ghostkey.model.events import Note

_TEMPLATE = re.compile(rb"\{\{-?\s*[.$a-z(/\"]|\{%-?\s*\w")  # Go's, and Jinja's
_KUSTOMIZATION = re.compile(r"kustomization\.ya?ml$", re.IGNORECASE)
_VALUES = re.compile(r"values[^/]*\.(?:ya?ml|json)$", re.IGNORECASE)
_CHART = re.compile(r"(?:^|[/:])Chart\.(?:ya?ml|lock)$")
_PIPELINE = re.compile(r"\.github/|\.gitlab-ci|\.circleci/|azure-pipelines|\.travis|\.pre-commit|renovate|dependabot|\.tekton/")
CHART_TEMPLATES, KUSTOMIZATIONS = "chart templates", "kustomizations"


def is_template(content: bytes | bytearray) -> bool:
    """Whether a text has actions of templates in it."""
    return _TEMPLATE.search(content) is not None


class PassedOver:
    """Counts by sort, with the first of each as an example; `reason` is why the very first was no object."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._charts: list[str] = []
        self._overlays: list[str] = []
        self.bases: dict[str, list[str]] = {}  # folder of a kustomization → folders that it builds upon
        self.reason = ("", "")

    def add(self, where: str, document: Any, what: str, why: str, *, is_template: bool = False) -> None:
        """Counts one document that is no object."""
        if not self.reason[0]:
            self.reason = (what, why)
        sort = self._sort(where, document, is_template=is_template)
        self._counts[sort] += 1
        self._examples.setdefault(sort, where)
        folder = where.rpartition("/")[0] or "."
        if _CHART.search(where) and folder not in self._charts:
            self._charts.append(folder)
        if sort == KUSTOMIZATIONS:
            if folder not in self._overlays:
                self._overlays.append(folder)
            self.bases.setdefault(folder, []).extend(_references(document))

    @staticmethod
    def _sort(where: str, document: Any, *, is_template: bool) -> str:
        kind = document.get("kind") if isinstance(document, dict) else None
        version = document.get("apiVersion") if isinstance(document, dict) else None
        if is_template:
            return CHART_TEMPLATES
        if _KUSTOMIZATION.search(where) or (isinstance(version, str) and version.startswith("kustomize.config.k8s.io/")):
            return KUSTOMIZATIONS
        if _CHART.search(where):
            return "charts"
        if _VALUES.search(where):
            return "values files"
        if _PIPELINE.search(where):
            return "pipelines"
        return "files of settings" if kind and version else "other documents"

    def notes(self) -> list[Note]:
        """One line for all that was passed over, and one for what would have to be rendered."""
        total = sum(self._counts.values())
        if not total:
            return []
        sorts = ", ".join(f"{sort} ({count})" for sort, count in self._counts.most_common())
        example = self._examples[self._counts.most_common(1)[0][0]]
        notes = [
            Note(
                f"{counted(total, 'document is no Kubernetes object and was', 'documents are no Kubernetes objects and were')} passed over: {sorts}; for example {example}"
            )
        ]
        chart = self._charts[0] if self._charts else self._chart_of_template()
        if chart:
            notes.append(Note(f"charts are not rendered: helm template {_word(chart)} | ghostkey scan --from -"))
        if self._overlays:
            overlay = max(self._overlays, key=lambda folder: any(".." in base for base in self.bases.get(folder, ())))
            notes.append(Note(f"overlays are not rendered: kubectl kustomize {_word(overlay)} | ghostkey scan --from -"))
        return notes

    def _chart_of_template(self) -> str:
        folder, found, _ = self._examples.get(CHART_TEMPLATES, "").partition("/templates/")
        return folder if found else ""


def _references(document: Any) -> list[str]:
    if not isinstance(document, dict):
        return []
    lists = [document.get(name) for name in ("resources", "bases", "components")]
    return [text for found in lists if isinstance(found, list) for text in found if isinstance(text, str)]


def _word(text: str) -> str:
    import shlex

    return shlex.quote(text)
