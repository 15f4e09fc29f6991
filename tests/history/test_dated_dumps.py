"""What a dump lacks has gone only where it would have been shown there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ghostkey.sources.history.dated_dumps import DatedDumps
from ghostkey.sources.history.open import open_source, parts_of
from tests.helpers import Program
from tests.history.lines import GROUP
from tests.history.shop import DIGEST, Shop, gaps, lives

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


@pytest.mark.parametrize("logs", ["audit.log", "audit-2026-11-01T00-00-00.log", "2026-11-01/audit.json"])
def test_dumps_beside_audit_logs_are_read_too_and_logs_are_no_dumps_for_a_date_in_their_names(
    files_program: Program, tmp_path: Path, logs: str
) -> None:
    log, folder = Shop(), tmp_path / "incident"
    (folder / logs).parent.mkdir(parents=True)
    (folder / logs).write_bytes(b"".join(log.begin()))
    assert [sort for _, sort in parts_of(folder)] == ["audit"]
    for day, names in (("2026-11-02", ["m", "gone"]), ("2026-11-03", ["m"])):
        (folder / day).mkdir()
        (folder / day / "maps.json").write_text(json.dumps(maps(*names)))
    assert parts_of(folder) == [(folder, "audit"), (folder, "dumps")]
    done = files_program("history", "import", "--store", str(tmp_path / "store"), str(folder))
    assert done.code == 0, done.err
    assert [line.split()[1] for line in done.out.splitlines()] == ["audit", "dumps"]
    found = list(open_source([folder], "dumps", DIGEST).events())
    assert [name for op, _, name in lives(found, "configmaps") if op == "deleted"] == ["gone"]
    assert not [why for why in gaps(found) if why != "between two dumps"]


def test_import_says_what_it_has_recognised_and_passed_over(files_program: Program, tmp_path: Path) -> None:
    log, folder, store = Shop(), tmp_path / "incident", str(tmp_path / "store")
    (folder / "notes").mkdir(parents=True)
    (folder / "audit.log").write_bytes(b"".join(log.begin()))
    (folder / "notes" / "maps.json").write_text(json.dumps(maps("m")))
    for _ in range(2):
        done = files_program("history", "import", "--store", store, str(folder))
        assert "1 file without audit events passed over" in done.err
    for day in ("2026-11-02", "2026-11-05"):
        (tmp_path / "dumps" / day).mkdir(parents=True)
        (tmp_path / "dumps" / day / "maps.json").write_text(json.dumps(maps("m")))
    files_program("history", "import", "--store", store, str(tmp_path / "dumps"))
    rows = files_program("history", "list", "--store", store, "-o", "json").json["imports"]
    (span,) = [row["until"] - row["since"] for row in rows if row["origin"] == "dumps"]
    assert span == 3 * 86_400_000_000, "from the first to the last, in microseconds"
