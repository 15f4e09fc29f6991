"""The analyses of history on large stores: 1, 5, 20 and 100 million events, in all memory and in 1 GB, beside PySpark.

    python -m bench.analyses [--quick] [--keep DIR]

Goal: at 20 million events each analysis takes at most 8 s, and all work within 1 GB of memory. The stores are made by DuckDB:
maps of 2,500 keys, each written eight times, 60 % of them removed again; one subject a key, of which 80 % are deleted, so a fifth
of all keys are ghosts, and in one map of ten somebody tried to remove those by a wrong name. Each analysis runs in a process of its own and has to make every column of its result. Prints one JSON line for each; 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ghostkey.analyses import history as queries
from ghostkey.store.engines import DuckEngine
from ghostkey.store.history import TABLES, History, schema
from ghostkey.story import blind
from ghostkey.story.attempts import ATTEMPTS

GOAL_SECONDS = 8.0
GOAL_EVENTS = 20_000_000
WRITES = 8
PART_KEYS = 600_000
EVENTS_OF_A_KEY = WRITES + 0.62

# key i of map i / 2,500 is written at its time, and again until its subject's life ends, an hour and more after
_BASE = """
    SELECT i, i // 2500 AS m, hash(i) % 10 AS luck, 1760000000000000 + CAST(i * 7776000000000.0 / {keys} AS BIGINT) AS t,
        3600000000 + CAST(hash(i + 1) % 864000000000 AS BIGINT) AS life, 'team-' || (i // 2500) % 50 AS ns,
        printf('tenant-%08d', i) AS subject
    FROM range({begin}, {end}) r(i)
"""
_WRITER = """'system:serviceaccount:ops:tenant-operator' AS "user", 'tenant-operator' AS manager, 'tenant-operator/v1.4' AS agent,
    '10.0.' || m % 200 || '.7' AS source_ip"""
_KEY_EVENTS = f"""
    WITH base AS ({_BASE}), happened AS (
        SELECT base.*, t + life * n // {WRITES} AS at_us, 'set' AS op, CASE WHEN n = 0 THEN 1 ELSE 0 END AS delta, 48 + n AS size,
            ns || '.' || subject AS key
        FROM base CROSS JOIN range({WRITES}) w(n)
        UNION ALL
        SELECT *, t + life, 'delete', -1, -1, ns || '.' || subject FROM base WHERE luck < 6
        UNION ALL
        SELECT *, t + life, 'missed-delete', 0, -1, subject FROM base WHERE luck IN (6, 7) AND m % 10 = 0
    )
    SELECT make_timestamp(at_us) AS at, CAST(at_us // 1000 AS BIGINT) AS revision, 'configmaps' AS kind, ns AS namespace,
        'registry-' || m AS name, 'data' AS field, '' AS path, key, op, CAST(size AS BIGINT) AS value_bytes,
        CAST(hash(at_us) // 2 AS BIGINT) AS value_hash, CASE WHEN size < 0 THEN '' ELSE 'json:plan,shard' END AS shape,
        CAST(delta AS BIGINT) AS key_delta, CAST(CASE WHEN op = 'set' AND delta = 0 THEN 1 ELSE delta * 70 END AS BIGINT) AS bytes_delta, {_WRITER},
        CAST(uuid() AS VARCHAR) AS audit_id, 'patch' AS verb, '' AS error, 'audit' AS origin, FALSE AS is_recovered
    FROM happened ORDER BY at_us
"""  # noqa: S608 (the names are our own)
_SUBJECT_EVENTS = f"""
    WITH base AS ({_BASE}), happened AS (
        SELECT *, t - 1000000 AS at_us, 'created' AS op, 'create' AS verb FROM base
        UNION ALL
        SELECT *, t + life - 1000000, 'deleted', 'delete' FROM base WHERE luck < 8
    )
    SELECT make_timestamp(at_us) AS at, CAST(at_us // 1000 AS BIGINT) AS revision, 'tenants.demo.example.com' AS kind,
        ns AS namespace, subject AS name, CAST(uuid() AS VARCHAR) AS uid, op, {_WRITER}, CAST(uuid() AS VARCHAR) AS audit_id, verb,
        'audit' AS origin, FALSE AS is_recovered
    FROM happened ORDER BY at_us
"""  # noqa: S608 (the names are our own)
_COVERAGE = """
    SELECT 'audit' AS origin, '*' AS kind, '*' AS namespace, make_timestamp(1760000000000000) AS since,
        make_timestamp(1770000000000000) AS until, CAST(NULL AS BIGINT) AS since_revision,
        CAST(NULL AS BIGINT) AS until_revision, FALSE AS is_gap, '' AS why
"""
_LINKS = """
    SELECT DISTINCT kind, namespace, name, field, path, key, 'tenants.demo.example.com' AS subject_kind,
        namespace AS subject_namespace, split_part(key, '.', 2) AS subject_name, '{namespace}.{name}' AS template, TRUE AS is_told,
        CAST(1 AS BIGINT) AS namesakes, '' AS life_uid
    FROM key_events
"""


def make(folder: Path, events: int) -> None:
    """A store of so many KeyEvents: parts of about five million, as imports make them."""
    import duckdb

    keys = int(events / EVENTS_OF_A_KEY)
    for begin in range(0, keys, PART_KEYS):
        part = folder / "parts" / f"made-{begin}"
        part.mkdir(parents=True)
        end = min(keys, begin + PART_KEYS)
        sources = {"key_events": _KEY_EVENTS, "subject_events": _SUBJECT_EVENTS, "coverage": _COVERAGE}
        for table in TABLES:
            sql = sources[table].format(begin=begin, end=end, keys=keys)
            names = ", ".join(f'"{name}"' for name in schema(table).names)
            path = part / f"{table}.parquet"
            duckdb.sql(f"COPY (SELECT {names} FROM ({sql})) TO '{path}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 65536)")  # noqa: S608
        record = {
            "id": part.name,
            "origin": "audit",
            "source": "made",
            "key_events": round((end - begin) * EVENTS_OF_A_KEY),
            "subject_events": 0,
        }
        (part / "import.json").write_text(json.dumps({**record, "imported_at": "2026-11-24T00:00:00Z"}))


def ask(folder: Path, name: str, memory: str) -> None:
    """Runs one analysis, every column of it; prints seconds, rows and the peak of memory. What it needs is worked out before."""
    engine = DuckEngine(History(folder), memory)
    query = queries.all_queries()[name]
    if query.needs or "links" in query.sql:
        engine.define("links", _LINKS, keep=True)  # as inference would have loaded them
        blind.load(engine)
        engine.load("attempts", ATTEMPTS, [])
    for needed in query.needs:
        engine.define(needed, queries.all_queries()[needed].sql, keep=True)
    engine.define(name, query.sql)
    began = time.perf_counter()
    (row,) = engine.rows(f'SELECT COUNT(*) AS "rows", BIT_XOR(HASH(q)) AS proof FROM {name} q')  # noqa: S608
    seconds = time.perf_counter() - began
    # not ru_maxrss, which counts what the process that started this one had
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) >> 10
    print(json.dumps({"seconds": round(seconds, 2), "rows": row["rows"], "peak_rss_mb": peak}))


def main() -> int:
    """Sizes from the smallest; one analysis in a process for the above."""
    if sys.argv[1:2] == ["ask"]:
        ask(Path(sys.argv[2]), sys.argv[3], sys.argv[4] if len(sys.argv) > 4 else "")
        return 0
    options = argparse.ArgumentParser()
    options.add_argument("--quick", action="store_true")
    options.add_argument("--keep", type=Path)
    options.add_argument("--sizes", default="")
    chosen = options.parse_args()
    sizes = [int(float(word) * 1e6) for word in (chosen.sizes or ("1" if chosen.quick else "1,5,20,100")).split(",")]
    good = True
    with tempfile.TemporaryDirectory(prefix="ghostkey-bench-") as temporary:
        for events in sizes:
            folder = (chosen.keep or Path(temporary)) / f"{events}"
            if not folder.is_dir():
                make(folder, events)
            for name in sorted(queries.all_queries()):
                for memory in ("", "1GB") if events <= GOAL_EVENTS else ("",):
                    command = [sys.executable, "-m", "bench.analyses", "ask", str(folder), name, *([memory] if memory else [])]
                    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
                    found = json.loads(done.stdout or "{}")
                    meets = bool(found) and (memory != "" or events != GOAL_EVENTS or found["seconds"] <= GOAL_SECONDS)
                    good &= meets
                    record = {"events": events, "memory": memory or "all", **found, "meets": meets}
                    print(json.dumps({"bench": "analyses", "what": name, **record}), flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
