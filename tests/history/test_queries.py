"""Event stories in, rows out; and the same rows from both engines."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ghostkey import story
from ghostkey.analyses.history import all_queries, page
from ghostkey.model.history import CREATED, DELETE, DELETED, SEEN, HistoryEvent, KeyEvent, SubjectEvent
from ghostkey.store.engines import DuckEngine, Engine, SparkEngine
from ghostkey.store.history import History
from tests.history.stories import BEGIN, MAP, SECOND, STORIES, StoryTeller, no_delete, stored, undone

SECTIONS = ("What it finds", "Why it matters", "When it is wrong", "Example", "Source")


def told(folder: Path, name: str) -> story.Story:
    engine = DuckEngine(stored(folder, STORIES[name][0]))
    story.prepare(engine)
    return story.story_of(engine, *MAP)


@pytest.mark.whole(but=["delete-failed", "map-too-large", "recreated", "seen-before", "trimmed-late", "undone-over-a-removal"])
@pytest.mark.parametrize("name", sorted(STORIES))
def test_story_has_its_class(tmp_path: Path, name: str) -> None:
    assert {row["key"]: row["class"] for row in told(tmp_path, name).ghosts} == STORIES[name][1]


def test_missed_deletion_names_everybody(tmp_path: Path) -> None:
    (row,) = told(tmp_path, "wrong-key-name").ghosts
    assert (row["writer"], row["subject_deleter"], row["attempt_by"]) == ("operator", "alice", "operator")
    assert (row["wrong_key"], row["subject_namespace"], row["subject_name"]) == ("onyx-9", "prod", "onyx-9")
    assert row["outliving"] == 60 * SECOND


@pytest.mark.parametrize("without", ["", "audit", "etcd-snapshot"])
def test_trim_that_was_undone_says_nothing_of_the_operator(tmp_path: Path, without: str) -> None:
    """Whatever other source shows the same writes without their agents, or knows no revisions."""
    told_by = [
        [e._replace(revision=None) if isinstance(e, KeyEvent) and origin == without else e for e in undone(origin)]
        for origin in ("audit", "etcd-snapshot")
    ]
    engine = DuckEngine(stored(tmp_path, *told_by))
    story.prepare(engine)
    (row,) = story.story_of(engine, *MAP).ghosts
    assert (row["class"], row["writer"], row["last_delete_at"]) == ("no-delete", "operator", None)
    assert row["put_back_at"] > row["subject_deleted_at"]


@pytest.mark.parametrize("lives", [True, False])
def test_key_of_a_name_is_about_any_that_lives_under_it(tmp_path: Path, lives: bool) -> None:
    """Of two of one name, in two namespaces, the key that does not say which is a ghost once both are gone."""
    teller = StoryTeller()
    names = ["amber-1", "basalt-2", "cedar-3", "dune-4", "ember-5"]
    for name in names:
        teller.subject(f"prod/{name}", CREATED)
        teller.key(name)
    for namespace in ("alpha", "stage"):
        teller.subject(f"{namespace}/cedar-3", CREATED)
    for namespace in ("prod", "alpha", *(() if lives else ("stage",))):
        teller.subject(f"{namespace}/cedar-3", DELETED)
    engine = DuckEngine(stored(tmp_path, teller.done()))
    assert story.prepare(engine) == len(names)
    assert [row["key"] for row in story.story_of(engine, *MAP).ghosts] == ([] if lives else ["cedar-3"])


def test_keys_of_the_dead_are_not_what_a_map_needs(tmp_path: Path) -> None:
    teller = StoryTeller()
    for name in ("amber-1", "basalt-2", "cedar-3"):
        teller.subject(f"prod/{name}", CREATED)
        teller.key(f"prod.{name}")
    for number in range(5):
        teller.subject(f"prod/run-{number}", CREATED)
        teller.key(f"prod.run-{number}")
        teller.subject(f"prod/run-{number}", DELETED)
    engine = DuckEngine(stored(tmp_path, teller.done()))
    story.prepare(engine)
    found = story.story_of(engine, *MAP)
    assert (found.forecast and found.forecast.peak, found.peak_of_living, len(found.ghosts)) == (8, 4, 5)


def test_keys_that_come_and_go_are_never_more_at_once_than_there_were(tmp_path: Path) -> None:
    teller = StoryTeller()
    for _ in range(3):
        for number in range(5):
            teller.subject(f"prod/run-{number}", CREATED)
            teller.key(f"prod.run-{number}")
            teller.key(f"prod.run-{number}", DELETE)
            teller.subject(f"prod/run-{number}", DELETED)
    engine = DuckEngine(stored(tmp_path, teller.done()))
    story.prepare(engine)
    assert story.story_of(engine, *MAP).peak_of_living == 1


def test_refusal_keeps_the_servers_words(tmp_path: Path) -> None:
    (row,) = told(tmp_path, "map-too-large").ghosts
    assert row["error"] == "413: etcdserver: request is too large"


def test_growth_counts_keys_and_bytes_at_the_end_of_each_slice(tmp_path: Path) -> None:
    points = told(tmp_path, "removed").growth
    assert [point["keys"] for point in points] == [1, 2, 3, 4, 5, 4]
    assert points[-1]["bytes"] == 4 * 10 + sum(len(f"prod.{n}") for n in ("acorn-1", "birch-2", "cedar-3", "dune-4"))


def test_same_story_from_two_sources_counts_once(tmp_path: Path) -> None:
    engine = DuckEngine(stored(tmp_path, no_delete(), no_delete("etcd-snapshot")))
    story.prepare(engine)
    assert story.story_of(engine, *MAP).growth[-1]["keys"] == 5


def test_keys_that_are_only_found_there_count_once(tmp_path: Path) -> None:
    """Found by a second source after the first saw them written; and by a third that has to look twice."""
    later = StoryTeller("etcd-snapshot", clock=50, revision=150)
    for name in ("acorn-1", "birch-2", "elsewhere-1", "acorn-1", "elsewhere-1"):
        later.key(f"prod.{name}", SEEN)
    engine = DuckEngine(stored(tmp_path, no_delete(), later.events))
    story.prepare(engine)
    points = story.story_of(engine, *MAP).growth
    assert [point["keys"] for point in points][-2:] == [5, 6]
    assert points[-1]["bytes"] - points[-2]["bytes"] == 10 + len("prod.elsewhere-1")


def test_double_encoding_is_since_its_first_write(tmp_path: Path) -> None:
    (row,) = told(tmp_path, "encoded-twice").encoded_twice
    assert (row["since"], row["writer"], row["key"], row["keys"]) == (BEGIN + 9 * SECOND, "new-release", "prod.acorn-1", 2)


def test_growth_that_follows_live_subjects_is_no_leak(tmp_path: Path) -> None:
    law = told(tmp_path, "removed").forecast
    assert law is not None
    assert law.follows_subjects
    leak = told(tmp_path / "leak", "no-delete").forecast
    assert leak is not None
    assert not leak.follows_subjects


@pytest.mark.parametrize("name", sorted(all_queries()))
def test_query_has_its_page(name: str) -> None:
    text = page(name)
    places = [text.index(f"\n{section}\n    ") for section in SECTIONS]
    assert places == sorted(places)


@pytest.fixture(scope="module")
def spark_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("spark")
    from pyspark.sql import SparkSession

    if (running := SparkSession.getActiveSession()) is not None:
        running.stop()


def rows_of(engine: Engine, query: str) -> list[tuple[tuple[str, Any], ...]]:
    return sorted(
        (tuple(sorted((n, _plain(v)) for n, v in row.items())) for row in engine.rows(f"SELECT * FROM {query}")), key=repr
    )


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    number = float(value)
    return "nan" if math.isnan(number) else round(number, 6)


def moved(event: HistoryEvent, number: int) -> HistoryEvent:
    """The same happening in namespaces of its own, so that all stories fit one store."""
    if isinstance(event, KeyEvent):
        return event._replace(namespace=f"system-{number}", key=event.key.replace("prod.", f"prod-{number}."))
    if isinstance(event, SubjectEvent):
        return event._replace(
            namespace=f"{event.namespace}-{number}", uid=event.uid if len(event.uid) == 36 else f"{number}-{event.uid}"
        )
    return event


@pytest.mark.whole
def test_engines_read_the_same_of_a_story(spark_folder: Path) -> None:
    history = stored(spark_folder / "one", STORIES["wrong-key-name"][0])
    duck, spark = DuckEngine(history), SparkEngine(history)
    for table in ("key_events", "subject_events"):
        of_duck, of_spark = (
            [[cell for cell in row if not cell[0].endswith("_code")] for row in rows_of(e, table)] for e in (duck, spark)
        )
        assert of_duck, table
        assert sorted(of_duck, key=repr) == sorted(of_spark, key=repr)


@pytest.mark.whole  # Spark is slow to plan
def test_engines_agree_on_every_query_over_every_story(spark_folder: Path) -> None:
    stories = [[moved(event, number) for event in STORIES[name][0]] for number, name in enumerate(sorted(STORIES))]
    history: History = stored(spark_folder / "all", *stories)
    duck, spark = DuckEngine(history), SparkEngine(history)
    assert story.prepare(duck) == story.prepare(spark) > 50
    for query in all_queries():
        found = rows_of(duck, query)
        assert found, query
        assert found == rows_of(spark, query), query
    told_by_spark = story.story_of(spark, MAP[0], "system-0", MAP[2])
    assert told_by_spark.keys == story.story_of(duck, MAP[0], "system-0", MAP[2]).keys
