"""What a query over the history is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Query:
    """SQL over `key_events`, `subject_events`, `coverage`, `links` and the queries in `needs`.

    Only what DuckDB and Spark understand alike: times are microseconds as integers, names are quoted by `"`.
    """

    sql: str
    needs: tuple[str, ...] = ()


MAP = "kind, namespace, name"
KEY = f"{MAP}, field, path, key"
