"""What is known already stays silent, is counted, and speaks again when its time is over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ghostkey.foreign import UnreadableError
from ghostkey.model.errors import UsageError
from ghostkey.silences import find_settings, read_baseline, read_settings, silences_of
from ghostkey.testing import ControlPlane
from tests.helpers import (
    Done,
    Program,
    config_map,
    make_registry,
    merge,
    read_data,
    thing,
)

LIVE = [f"shop-{number}" for number in range(8)]
GONE = ["bakery-1", "kiosk-7", "mill-3"]
FUTURE, PAST = "2999-12-31", "2020-01-31"


def write_dump(folder: Path, annotation: str = "", namespace: str = "prod") -> None:
    """A registry with three ghosts in a folder `dump`, with this annotation."""
    spaces = [thing("Namespace", name, "", api_version="v1") for name in ("prod", "test")]
    tenants = [thing("Tenant", name, namespace) for name in LIVE]
    metadata = {"annotations": {"ghostkey.dev/ignore": annotation}} if annotation else {}
    registry = config_map({f"{namespace}.{name}": "{}" for name in LIVE + GONE}, namespace=namespace, metadata=metadata)
    (folder / "dump").mkdir(exist_ok=True)
    (folder / "dump" / "all.json").write_text(
        json.dumps({"apiVersion": "v1", "kind": "List", "items": [*spaces, *tenants, registry]})
    )


def keys(report: Any) -> set[str]:
    return {finding["key"].rpartition(".")[2] for finding in report["findings"]}


@pytest.fixture
def scan(files_program: Program, tmp_path: Path) -> Any:
    def run(*words: str) -> Done:
        return files_program("scan", "--from", "dump", *words, cwd=tmp_path)

    run.program = files_program  # type: ignore[attr-defined]
    return run


# annotation


@pytest.mark.parametrize(
    ("annotation", "left"),
    [
        ("*", set()),
        ("prod.mill-3", {"bakery-1", "kiosk-7"}),
        ("prod.mill-3, prod.kiosk-*", {"bakery-1"}),
        ("{keys: [prod.mill-3], reason: moved to the new billing}", {"bakery-1", "kiosk-7"}),
        (f"{{keys: prod.*, until: {FUTURE}}}", set()),
        (f"{{keys: prod.*, until: {PAST}}}", set(GONE)),
        (f"[{{keys: prod.mill-3}}, {{keys: prod.*, until: {PAST}}}]", {"bakery-1", "kiosk-7"}),
        ('{"keys": ["*"], "analyses": ["size-limit"]}', set(GONE)),
        ("{keys: '*', until: 2999-12-31T23:00:00+01:00}", set()),
        ("shop-*", set(GONE)),
        ("keys: '*.mill-3'\nreason: known", {"bakery-1", "kiosk-7"}),
    ],
)
def test_annotation_silences_keys_of_its_own_map(scan: Any, tmp_path: Path, annotation: str, left: set[str]) -> None:
    write_dump(tmp_path, annotation)
    done = scan("-o", "json")
    assert keys(done.json) == left
    assert done.code == (1 if left else 0)
    assert done.json["summary"]["silenced"] == len(done.json["silenced"]) == len(GONE) - len(left)
    assert {item["silenced_by"] for item in done.json["silenced"]} <= {"annotation ghostkey.dev/ignore"}
    table = scan()
    assert (f", {len(GONE) - len(left)} silenced" in table.err) == (len(left) < len(GONE))
    for item in done.json["silenced"]:
        assert scan.program("explain", item["id"]).code == 0


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        ("{keys: a, untill: 2999-12-31}", "no field is named 'untill'"),
        ("{keys: a, until: tomorrow}", "until 'tomorrow' is no day"),
        ("{keys: a, until: 2999-12-31T00:00:00}", "has no zone"),
        ("{keys: [8080]}", "numbers, and words such as on, need quotes"),
        ("{until: 2999-12-31}", "says nothing of what it silences"),
        ("{keys: a, maps: cm/other}", "no field is named 'maps'"),
        ("{keys: [", "annotation ghostkey.dev/ignore of cm/registry -n prod was not understood"),
        ("{keys: []}", "keys names nothing"),
        ("[a]", "rule 1 is a text, not a rule"),
        (" ", "keys names nothing"),
    ],
)
def test_an_annotation_that_is_not_understood_silences_nothing_and_is_told(
    scan: Any, tmp_path: Path, annotation: str, said: str
) -> None:
    write_dump(tmp_path, annotation)
    done = scan("-o", "json")
    assert done.code == 3
    assert keys(done.json) == set(GONE)
    assert said in done.err
    assert "hint: write ghostkey.dev/ignore" in done.err


def test_an_annotation_of_many_keys_is_read_whole(scan: Any, tmp_path: Path) -> None:
    write_dump(tmp_path, ", ".join([*(f"prod.some-key-{number}" for number in range(300)), "prod.mill-3"]))
    assert keys(scan("-o", "json").json) == {"bakery-1", "kiosk-7"}


def test_names_with_the_signs_of_patterns_match_themselves_alone() -> None:
    (silence,) = silences_of("*", "cm/a[b]*?", "prod")
    assert silence.maps == ("cm/a[[]b][*][?]",)


# .ghostkey.yaml


def write_settings(folder: Path, settings: Any) -> Path:
    path = folder / ".ghostkey.yaml"
    path.write_text(settings if isinstance(settings, str) else yaml.safe_dump(settings))
    return path


def test_settings_are_found_from_the_current_folder_upwards(files_program: Program, tmp_path: Path) -> None:
    write_dump(tmp_path)
    write_settings(tmp_path, {"ignore": [{"map": "cm/registry", "keys": ["*.mill-3"], "reason": "known"}]})
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    dump = str(tmp_path / "dump")
    report = files_program("scan", "--from", dump, "-o", "json", cwd=inner).json
    assert keys(report) == {"bakery-1", "kiosk-7"}
    assert report["silenced"][0] | {"holder": None} == report["silenced"][0] | {
        "holder": None, "silenced_by": ".ghostkey.yaml", "reason": "known", "until": "", "key": "prod.mill-3",
    }  # fmt: skip
    # the nearest counts, and --config counts more
    write_settings(inner, {"ignore": [{"namespace": "prod", "analysis": "ghost-key"}]})
    assert files_program("scan", "--from", dump, cwd=inner).code == 0
    assert keys(files_program("scan", "--from", dump, "-o", "json", "--config", "/dev/null", cwd=inner).json) == set(GONE)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("ignore: [{map: cm/registry, kyes: [a]}]", "ignore[0]: no field is named 'kyes'"),
        ("ignored: []", "no field is named 'ignored'"),
        ("ignore: [{reason: none}]", "ignore[0] says nothing of what it silences"),
        ("ignore: all", "ignore is no list"),
        ("- a", "holds a list, not settings"),
        ("ignore: [{keys: a, until: [1]}]", "until is no day"),
        ("ignore: [{keys: a, key: b}]", "is there twice"),
        ("ignore: {", "could not be read"),
        ("exclude-namespaces: [1]", "exclude-namespaces is no text"),
        ("baseline: [a]", "baseline is no path"),
        ("a: &a [*a]", "could not be read"),
        ("x" * (1 << 20) + "y", "holds more than 1 MiB"),
        ("baseline: nope.json", "nope.json"),
    ],
    ids=lambda value: value[:30],
)
def test_settings_that_are_wrong_are_wrong_usage_and_say_where(scan: Any, tmp_path: Path, settings: str, said: str) -> None:
    write_dump(tmp_path)
    write_settings(tmp_path, settings)
    done = scan()
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert ".ghostkey.yaml" in done.err or "nope.json" in done.err


def test_settings_of_another_user_are_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_settings(tmp_path, "ignore: [{keys: '*'}]")
    inner = tmp_path / "inner"
    inner.mkdir()
    assert find_settings(inner) == path
    from ghostkey import silences

    monkeypatch.setattr(silences, "_owner", lambda place: 12345 if place == path else 54321)
    with pytest.raises(UsageError, match="belongs to another user"):
        find_settings(inner)


def test_namespaces_are_left_out_by_option_and_by_settings(scan: Any, tmp_path: Path) -> None:
    write_dump(tmp_path)
    assert scan("--exclude-namespace", "pr*").code == 0
    assert scan("--exclude-namespace", "test").code == 1
    report = scan("--exclude-namespace", "prod", "-o", "json").json
    assert (report["summary"]["silenced"], report["findings"]) == (3, [])
    write_settings(tmp_path, {"exclude-namespaces": ["prod"]})
    assert scan().code == 0
    assert read_settings(tmp_path / ".ghostkey.yaml").silences[0].origin == "exclude-namespaces of .ghostkey.yaml prod"


# baselines


def test_a_baseline_silences_what_was_there_and_nothing_that_comes(scan: Any, tmp_path: Path) -> None:
    write_dump(tmp_path, "prod.mill-3")
    first = scan("--write-baseline", "known.json", "--baseline-until", FUTURE)
    assert first.code == 0
    assert "wrote baseline known.json: 2 findings are known until 2999-12-31" in first.err
    assert "0 findings in" in first.err
    assert ", 3 silenced" in first.err
    assert scan("--baseline", "known.json").code == 0
    # the annotation goes: its key is not in the baseline
    write_dump(tmp_path)
    report = scan("--baseline", "known.json", "-o", "json").json
    assert keys(report) == {"mill-3"}
    assert report["summary"]["silenced"] == 2
    write_settings(tmp_path, {"baseline": "known.json"})
    assert keys(scan("-o", "json").json) == {"mill-3"}


def test_an_expired_baseline_speaks_again_and_says_so(scan: Any, tmp_path: Path) -> None:
    write_dump(tmp_path)
    scan("--write-baseline", "known.json", "--baseline-until", FUTURE)
    text = (tmp_path / "known.json").read_text()
    document = json.loads(text)
    assert [entry["what"] for entry in document["findings"]] == [
        f"ghost-key cm/registry -n prod: prod.{name}" for name in sorted(GONE)
    ]
    document["findings"][0]["until"] = PAST
    (tmp_path / "known.json").write_text(json.dumps(document))
    done = scan("--baseline", "known.json")
    assert done.code == 1
    assert "no longer silenced: cm/registry -n prod: prod.bakery-1 (baseline known.json until 2020-01-31)" in done.err
    assert ", 2 silenced" in done.err
    report = scan("--baseline", "known.json", "-o", "json").json
    assert (report["summary"]["expired"], keys(report)) == (1, {"bakery-1"})
    # written anew, what was known stays known as long as it was, and the rest from now on
    again = scan("--baseline", "known.json", "--write-baseline", "known.json", "--baseline-until", "2999-01-01")
    assert again.code == 0
    untils = {
        entry["what"].rpartition(".")[2]: entry["until"]
        for entry in json.loads((tmp_path / "known.json").read_text())["findings"]
    }
    assert untils == {"bakery-1": "2999-01-01", "kiosk-7": FUTURE, "mill-3": FUTURE}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "could not be read"),
        ("[]", "is no baseline"),
        ('{"kind": "GhostkeyBaseline", "schema_version": 2, "findings": []}', "another version"),
        ('{"kind": "GhostkeyBaseline", "schema_version": 1, "findings": [{"id": "a"}]}', "findings[0] has no id and until"),
        ('{"kind": "GhostkeyBaseline", "schema_version": 1, "findings": [{"id": "a", "until": "x"}]}', "is no day"),
    ],
)  # fmt: skip
def test_a_damaged_baseline_is_wrong_usage(scan: Any, tmp_path: Path, content: str, said: str) -> None:
    write_dump(tmp_path)
    (tmp_path / "known.json").write_text(content)
    done = scan("--baseline", "known.json")
    assert (done.code, said in done.err) == (2, True), done
    with pytest.raises((UsageError, UnreadableError)):
        read_baseline(tmp_path / "known.json")


def test_a_baseline_that_is_not_there_and_a_wrong_day_are_wrong_usage(scan: Any, tmp_path: Path) -> None:
    write_dump(tmp_path)
    assert scan("--baseline", "nope.json").code == 2
    assert scan("--write-baseline", "nope/known.json").code == 2
    assert scan("--write-baseline", "known.json", "--baseline-until", "soon").code == 2
    assert not (tmp_path / "known.json").exists()


# trim


@pytest.fixture
def registry(control_plane: ControlPlane, namespace: str) -> str:
    make_registry(control_plane, namespace, LIVE, GONE)
    return namespace


def annotate(control_plane: ControlPlane, namespace: str, text: str | None) -> None:
    body = {"metadata": {"annotations": {"ghostkey.dev/ignore": text}}}
    path = f"/api/v1/namespaces/{namespace}/configmaps/registry"
    control_plane.request("PATCH", path, body, "application/merge-patch+json")


def left(control_plane: ControlPlane, namespace: str) -> set[str]:
    return {key.rpartition(".")[2] for key in read_data(control_plane, namespace, "registry")} - set(LIVE)


@pytest.mark.whole
def test_trim_of_ghosts_never_takes_a_silenced_key(
    control_plane: ControlPlane, registry: str, program: Program, tmp_path: Path
) -> None:
    trim = ("trim", "cm/registry", "-n", registry, "--ghosts", "--apply")
    annotate(control_plane, registry, "{keys: [8080]}")
    refused = program(*trim, cwd=tmp_path)
    assert (refused.code, "was not understood, nothing was changed" in refused.err) == (5, True), refused
    annotate(control_plane, registry, f"{{keys: '{registry}.mill-3', reason: moved by hand}}")
    write_settings(tmp_path, {"ignore": [{"maps": "cm/registry", "keys": "*.kiosk-7"}]})
    done = program(*trim, cwd=tmp_path)
    assert done.code == 0, done
    assert left(control_plane, registry) == {"kiosk-7", "mill-3"}
    assert "2 keys are silenced and left alone" in done.err
    assert "nothing to trim" in program(*trim, cwd=tmp_path).err
    assert program("scan", "-n", registry, cwd=tmp_path).code == 0
    annotate(control_plane, registry, None)
    (tmp_path / ".ghostkey.yaml").unlink()
    assert program("scan", "-n", registry, "--write-baseline", str(tmp_path / "known.json"), cwd=tmp_path).code == 0
    assert "nothing to trim" in program(*trim, "--baseline", "known.json", cwd=tmp_path).err
    merge(control_plane, registry, "registry", {"unrelated": "1"})
    assert program(*trim, cwd=tmp_path).code == 0
    assert left(control_plane, registry) == {"unrelated"}
