"""`ghostkey lint` as a command: trees, revisions, what comments and baselines keep silent, formats, hostile files."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest

from ghostkey.lint.run import lint as lint_tree
from ghostkey.lint.run import lint_files
from tests.helpers import Program, check_sarif
from tests.lint.test_rules import DATA_KEY, GAUGE, RECONCILER


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for path, text in {
        "pkg/a/a.go": RECONCILER, "pkg/b/metrics.go": GAUGE, "vendor/x/a.go": RECONCILER, "pkg/a/a_test.go": RECONCILER,
        "pkg/a/testdata/b.go": RECONCILER, "README.md": "no Go",
    }.items():  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


FOUND = {("map-never-deleted", "pkg/a/a.go", 20), ("series-never-deleted", "pkg/b/metrics.go", 15)}


def lint(program: Program, *arguments: str | Path) -> set[tuple[str, str, int]]:
    done = program("lint", *map(str, arguments), "-o", "json")
    told = {(f["rule"], f["path"], f["line"]) for f in json.loads(done.out)["findings"]}
    assert done.code == (1 if told else 0)
    return told


def test_folder_is_linted_and_the_line_of_code_is_shown(files_program: Program, tree: Path) -> None:
    assert lint(files_program, tree) == FOUND
    assert lint(files_program, f"{tree}/...") == FOUND
    done = files_program("lint", str(tree))
    assert done.code == 1
    assert (
        "pkg/a/a.go:20: (Reconciler).seen gets one key for each req.Name, and nothing deletes from it [map-never-deleted]"
        in done.out
    )
    assert "       20 | r.seen[req.Name] = time.Now()" in done.out
    assert "2 findings in 2 files" in done.out


@pytest.mark.parametrize("left", ["nothing", "no Go", "vendored Go alone"])
def test_where_nothing_was_looked_at_is_no_green_build(files_program: Program, tmp_path: Path, left: str) -> None:
    if left != "nothing":
        path = tmp_path / ("README.md" if left == "no Go" else "vendor/x/a.go")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(RECONCILER)
    done = files_program("lint", str(tmp_path))
    assert (done.code, done.out) == (5, "")
    assert f"no Go files in {tmp_path}: nothing was looked at" in done.err


def test_rules_are_chosen_and_their_pages_printed(files_program: Program, tree: Path) -> None:
    assert lint(files_program, tree, "--rule", "series-never-deleted") == {("series-never-deleted", "pkg/b/metrics.go", 15)}
    assert "map-never-deleted" in files_program("lint", "--rules").out
    assert "*When it is wrong.*" in files_program("lint", "--rules", "--rule", "map-never-deleted").out
    for wrong in (
        ["--rule", "nope"],
        [str(tree / "nope")],
        ["--rules", "--rule", "nope"],
        ["--rev", "HEAD"],
        ["--baseline", "nope"],
    ):
        done = files_program("lint", *(wrong if wrong[0].startswith("/") else [str(tree), *wrong]))
        assert done.code == 2
        assert done.err.startswith("error: ")


@pytest.fixture
def repository(tree: Path) -> Path:
    def git(*arguments: str) -> None:
        subprocess.run(
            ["git", "-C", str(tree), "-c", "user.name=a", "-c", "user.email=a@b", *arguments], check=True, capture_output=True
        )

    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-qm", "one")
    (tree / "pkg/a/a.go").write_text(RECONCILER + "\nfunc (r *Reconciler) forget(n string) {\n\tdelete(r.seen, n)\n}\n")
    (tree / "pkg/c").mkdir()
    (tree / "pkg/c/c.go").write_text(DATA_KEY)
    return tree


def test_revisions_and_what_a_change_adds(files_program: Program, repository: Path) -> None:
    added = {("data-key-never-deleted", "pkg/c/c.go", 16)}
    assert lint(files_program, repository) == {*added, ("series-never-deleted", "pkg/b/metrics.go", 15)}
    assert lint(files_program, repository, "--rev", "HEAD") == FOUND
    assert lint(files_program, repository, "--diff", "HEAD") == added
    # a delete that is taken away unhides what was there
    subprocess.run(
        ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qam", "two"], check=True
    )
    (repository / "pkg/a/a.go").write_text(RECONCILER)
    assert ("map-never-deleted", "pkg/a/a.go", 20) in lint(files_program, repository, "--diff", "HEAD")
    done = files_program("lint", str(repository), "--rev", "--output=/tmp/x")
    assert done.code == 2


def test_comments_keep_silent_with_a_reason_alone(files_program: Program, tmp_path: Path) -> None:
    file = tmp_path / "a.go"
    file.write_text(RECONCILER.replace('// want "nothing deletes from it"', "//nolint:ghostkey // of three tenants"))
    assert not lint(files_program, tmp_path)
    file.write_text(RECONCILER.replace('// want "nothing deletes from it"', "//nolint:ghostkey"))
    assert lint(files_program, tmp_path) == {("suppression", "a.go", 20)}
    file.write_text("package a\n\nvar x = 1 //nolint:ghostkey // long gone\n")
    assert lint(files_program, tmp_path) == {("suppression", "a.go", 3)}


LESS_SURE = (
    "package a\n\ntype Cache struct {\n\tby map[string]int\n}\n\nvar cache = &Cache{}\n\n"
    "func (c *Cache) handle(name string) {\n\tc.by[name] = 1\n}\n\nfunc (c *Cache) forget(name string) {\n\tc.by[name] = 0\n"
    "\tdelete(other, name)\n}\n\nfunc (c *Cache) onDelete(name string) {\n\tdelete(c.by, name)\n}\n"
)


def test_what_level_b_would_tell_is_counted(
    files_program: Program, repository: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("less")
    (folder / "a.go").write_text(LESS_SURE)
    assert "0 findings in 1 file, 21 lines; 1 more with --level B" in files_program("lint", str(folder)).out
    said = files_program("lint", str(folder), "--level", "B").out
    assert "1 finding in 1 file" in said
    assert "--level B" not in said
    assert "--level B" not in files_program("lint", str(folder), "--rule", "map-never-deleted").out
    # what was not asked is said, too: of a change, and of a large tree
    assert "--level B may tell more" in files_program("lint", str(repository), "--diff", "HEAD").out
    assert lint_tree(folder).more == 1
    monkeypatch.setattr("ghostkey.lint.run.COUNTED_LINES", 10)
    assert lint_tree(folder).more is None
    assert lint_tree(folder, level="B").more == 0


def test_comment_about_what_level_b_tells_is_no_old_one(files_program: Program, tmp_path: Path) -> None:
    file = tmp_path / "a.go"
    file.write_text(LESS_SURE.replace("c.by[name] = 0", "c.by[name] = 0 //nolint:ghostkey // is read as a number"))
    assert not lint(files_program, tmp_path)
    assert not lint(files_program, tmp_path, "--level", "B")
    assert "--level B" not in files_program("lint", str(tmp_path)).out
    file.write_text(LESS_SURE.replace("c.by[name] = 0", "c.by[name] = 0 //nolint:ghostkey"))
    assert lint(files_program, tmp_path) == {("suppression", "a.go", 14)}


def test_baseline_outlives_moved_lines(files_program: Program, tree: Path, tmp_path: Path) -> None:
    known = tmp_path / "known.txt"
    assert files_program("lint", str(tree / "pkg"), "--write-baseline", str(known)).code == 0
    file = tree / "pkg/a/a.go"
    file.write_text(RECONCILER.replace("type Reconciler", "// a line\n\n// more\n\ntype Reconciler"))
    assert not lint(files_program, tree / "pkg", "--baseline", known)
    file.write_text(RECONCILER.replace("seen", "others"))
    assert {f[0] for f in lint(files_program, tree / "pkg", "--baseline", known)} == {"map-never-deleted"}


def test_second_insert_of_one_map_and_key_is_not_silenced_with_the_first(files_program: Program, tmp_path: Path) -> None:
    folder, known = tmp_path / "src", tmp_path / "known"
    folder.mkdir()
    (folder / "a.go").write_text(DATA_KEY)
    files_program("lint", str(folder), "--write-baseline", str(known))
    assert lint(files_program, folder, "--baseline", known) == set()
    head, _, code = DATA_KEY.partition("func ")
    (folder / "a.go").write_text(f"{head}func {code}\nfunc {code.replace('reconcilePlugins', 'reconcileThemes')}")
    (found,) = lint(files_program, folder, "--baseline", known)
    assert (found[0], found[2] > len(DATA_KEY.splitlines())) == ("data-key-never-deleted", True)


def test_formats_of_code_hosts(files_program: Program, tree: Path) -> None:
    sarif = json.loads(files_program("lint", str(tree), "-o", "sarif").out)
    check_sarif(sarif)
    run = sarif["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    places = {
        (
            r["ruleId"],
            r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            r["locations"][0]["physicalLocation"]["region"]["startLine"],
        )
        for r in run["results"]
    }
    assert places == FOUND
    assert all(rules[r["ruleIndex"]] == r["ruleId"] and r["partialFingerprints"] for r in run["results"])
    gitlab = json.loads(files_program("lint", str(tree), "-o", "gitlab").out)
    assert {(f["check_name"], f["location"]["path"], f["location"]["lines"]["begin"]) for f in gitlab} == FOUND
    github = files_program("lint", str(tree), "-o", "github").out
    assert github.startswith("::warning file=pkg/a/a.go,line=20,title=ghostkey map-never-deleted::")


def test_order_of_files_changes_nothing() -> None:
    files = [("p/a.go", RECONCILER.encode()), ("q/b.go", GAUGE.encode()), ("r/c.go", DATA_KEY.encode())]
    assert lint_files(files).findings == lint_files(reversed(files)).findings


def test_broken_and_hostile_files_are_counted_and_never_fatal() -> None:
    rng = random.Random(7)
    broken = lint_files(
        [("p/a.go", RECONCILER.replace("defer ", "defer defer (").encode()), ("p/b.go", b"\xff\xfe{{{"), ("p/c.go", b"")]
    )
    assert broken.broken >= 2
    deep = b"package p\nvar x = " + b"(" * 20_000 + b"1" + b")" * 20_000
    assert lint_files([("p/a.go", deep), ("q/a.go", RECONCILER.encode())]).findings
    text = (RECONCILER + GAUGE + DATA_KEY).encode()
    for _ in range(150):
        raw = bytearray(text)
        for _ in range(rng.randint(1, 12)):
            at = rng.randrange(len(raw))
            match rng.randrange(3):
                case 0:
                    raw[at] = rng.randrange(256)
                case 1:
                    del raw[at : at + rng.randint(1, 60)]
                case _:
                    raw[at:at] = raw[rng.randrange(len(raw)) :][: rng.randint(1, 60)]
        lint_files([("p/a.go", bytes(raw))], level="B")


def test_facts_are_kept_by_content_and_damage_is_read_anew(tree: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    (cache / "another engine").mkdir(parents=True)
    cold = lint_tree(tree, cache=cache)
    entries = sorted(path for path in cache.rglob("*") if path.is_file())
    assert len(entries) == 2
    assert [path.name for path in cache.iterdir()] == [entries[0].parent.name]
    assert lint_tree(tree, cache=cache) == cold
    for entry, raw in zip(entries, (b"\xc1\x00", b""), strict=True):
        entry.write_bytes(raw)
    assert lint_tree(tree, cache=cache) == cold
    moved = tree / "pkg/z"
    (tree / "pkg/a").rename(moved)
    assert {finding.path for finding in lint_tree(tree, cache=cache).findings} == {"pkg/z/a.go", "pkg/b/metrics.go"}
    (tmp_path / "file").write_text("")
    assert len(lint_tree(tree, cache=tmp_path / "file").findings) == 2
