"""What a dump lacks has gone only where it would have been shown there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ghostkey.sources.history.dated_dumps import DatedDumps
from tests.history.lines import GROUP
from tests.history.shop import DIGEST, gaps, lives

KIND = f"widgets.{GROUP}"


def widgets(*places: str) -> dict[str, Any]:
    items = []
    for place in places:
        namespace, _, name = place.partition("/")
        metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}"}
        items.append({"apiVersion": f"{GROUP}/v1", "kind": "Widget", "metadata": metadata})
    return {"apiVersion": f"{GROUP}/v1", "kind": "WidgetList", "items": items}


def maps(*names: str) -> dict[str, Any]:
    items = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}, "data": {}} for name in names
    ]
    return {"apiVersion": "v1", "kind": "ConfigMapList", "items": items}


BEFORE = widgets("t1/amber", "t1/birch", "t2/cedar")


def read(folder: Path, *dumps: list[Any]) -> list[Any]:
    for day, parts in enumerate(dumps, 1):
        (folder / f"2026-11-0{day}").mkdir()
        for number, part in enumerate([maps("m"), *parts]):
            path = folder / f"2026-11-0{day}" / f"{number}.json"
            path.write_text(part if isinstance(part, str) else json.dumps(part))
    return list(DatedDumps(folder, DIGEST).events())


def ended(found: list[Any]) -> list[str]:
    return sorted(name for op, _, name in lives(found, KIND) if op == "deleted")


@pytest.mark.parametrize(
    ("after", "gone", "unseen"),
    [
        ([widgets("t1/birch", "t2/cedar")], ["amber"], 0),
        ([widgets()], ["amber", "birch", "cedar"], 0),
        ([widgets("t1/birch")], ["amber"], 1),  # of one namespace alone
        ([widgets("t3/delta")], [], 3),
        ([], [], 3),
        ([widgets("t1/birch", "t2/cedar"), json.dumps(widgets("t1/amber"))[:-40]], [], 1),  # it may be in what is damaged
    ],
)
def test_object_that_a_dump_lacks_has_gone_where_it_would_have_been_shown(
    tmp_path: Path, after: list[Any], gone: list[str], unseen: int
) -> None:
    found = read(tmp_path, [BEFORE], after)
    assert ended(found) == gone
    told = [int(why.split()[5]) for why in gaps(found) if "would not have shown" in why]
    assert sum(told) == unseen


def test_object_that_one_dump_would_not_have_shown_has_gone_by_the_next(tmp_path: Path) -> None:
    assert ended(read(tmp_path, [BEFORE], [], [widgets("t1/birch", "t2/cedar")])) == ["amber"]
