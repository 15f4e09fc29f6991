"""`ghostkey maps`, `stacks`, `pprof` and `verify --process`, as a user types them."""

from __future__ import annotations

import gzip
import http.server
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ghostkey.testing import ControlPlane
from ghostkey.testing.relay import Held, Relay
from tests.census.truth import Truth, built, running
from tests.helpers import HANG_SECONDS, Program, make_tenant, make_tenants_kind
from tests.terminal import Terminal


@pytest.fixture
def truth() -> Iterator[Truth]:
    with running(built()) as started:
        yield started


def maps(program: Program, truth: Truth, *options: str) -> list[dict[str, Any]]:
    done = program("maps", str(truth.pid), "-o", "json", *options)
    assert done.code == 0, done.err
    found: list[dict[str, Any]] = done.json["maps"]
    return found


def test_json_has_every_map_with_the_length_that_the_process_says(files_program: Program, truth: Truth) -> None:
    found = {int(one["address"], 16): one["len"] for one in maps(files_program, truth)}
    assert {address: found.get(address) for address in truth.maps} == {a: n for a, (_, n) in truth.maps.items()}


def test_rows_are_sorted_filtered_and_cut(files_program: Program, truth: Truth) -> None:
    by_len = maps(files_program, truth, "--sort", "len", "--top", "3")
    assert [one["len"] for one in by_len] == sorted((one["len"] for one in by_len), reverse=True)
    assert len(by_len) == 3
    assert all(one["len"] >= 4000 for one in maps(files_program, truth, "--min-len", "4000"))
    uids = maps(files_program, truth, "--type", "map[main.uid]")
    assert [one["len"] for one in uids] == [700]
    held = maps(files_program, truth, "--holder", "reconciler")
    assert {one["holder"].rpartition(".")[2] for one in held} == {"seen", "pending", "byUID"}
    drained = maps(files_program, truth, "--sort", "vacancy", "--top", "1")[0]
    assert drained["note"].startswith("keeps ")


def test_table_says_who_holds_what_and_keys_on_request(files_program: Program, truth: Truth) -> None:
    done = files_program("maps", str(truth.pid), "--holder", "(main.reconciler).seen", "--keys", "4")
    assert done.code == 0
    header, row, keys = done.out.splitlines()
    assert header.split() == ["HOLDER", "TYPE", "LEN", "SLOTS", "TOMBSTONES", "BYTES", "NOTE"]
    assert "(main.reconciler).seen" in row
    assert "map[main.namespacedName]string" in row
    assert keys.startswith("keys of ")
    assert "/pod-" in keys
    assert "and 696 more" in keys
    assert "seen" not in keys.partition(": ")[2], "no value"


def test_census_of_another_process_is_no_measure_of_this_one(files_program: Program, truth: Truth, tmp_path: Path) -> None:
    kept = tmp_path / "before.json"
    assert files_program("maps", str(truth.pid), "--save", str(kept)).code == 0
    document = json.loads(kept.read_text())
    for other in ({"pid": truth.pid + 1}, {"name": "etcd"}):
        kept.write_text(json.dumps({**document, "process": {**document["process"], **other}}))
        for words in ((), ("--every", "1s", "--for", "1s"), ("-o", "json")):
            done = files_program("maps", str(truth.pid), "--diff", str(kept), *words)
            assert (done.code, done.out) == (2, ""), done.out
            assert (
                f"is of {other.get('name', document['process']['name'])} (pid {other.get('pid', truth.pid)}), and this is "
                in done.err
            )


def test_nothing_is_concluded_from_a_process_that_is_stopped(files_program: Program, truth: Truth) -> None:
    truth.process.send_signal(signal.SIGSTOP)
    try:
        os.waitpid(truth.pid, os.WUNTRACED)
        watched = ("--map", "(main.reconciler).seen", "--for", "1s")
        for words in (("stacks", str(truth.pid), *watched), ("verify", "--process", str(truth.pid), *watched)):
            done = files_program(*words)
            assert (done.code, done.out) == (2, ""), done.out
            assert f"process {truth.pid} is stopped: nothing in it changes" in done.err
        assert maps(files_program, truth, "--top", "1"), "its maps are there as before"
    finally:
        truth.process.send_signal(signal.SIGCONT)


def test_what_grew_is_told_from_a_file(files_program: Program, truth: Truth, tmp_path: Path) -> None:
    kept = str(tmp_path / "before.json")
    assert files_program("maps", str(truth.pid), "--save", kept).code == 0
    assert truth.ask("insert 300") == 1000
    first, *_ = maps(files_program, truth, "--diff", kept, "--sort", "growth", "--top", "2")
    assert first["growth"]["len"] == 300
    assert first["holder"].endswith("(main.reconciler).seen")
    assert first["growth"]["len_per_minute"] > 0
    broken = tmp_path / "broken.json"
    broken.write_text('{"kind": "GhostkeyMaps", "maps": [{}]}')
    done = files_program("maps", str(truth.pid), "--diff", str(broken))
    assert done.code == 5
    assert "is no census of maps, or damaged" in done.err


@pytest.mark.whole
def test_it_looks_again_and_again(files_program: Program, truth: Truth) -> None:
    process = files_program.start("maps", str(truth.pid), "--every", "1s", "--for", "3s", "--sort", "growth", "--top", "1")
    truth.tell("beat 300 5")
    out, err = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 0, err
    rows = [line for line in out.splitlines() if "(main.reconciler).seen" in line]
    assert len(rows) >= 2
    assert "A MINUTE" in out


def test_process_that_ends_while_it_is_looked_at_again_and_again_is_said_so(files_program: Program, truth: Truth) -> None:
    process = files_program.start("maps", str(truth.pid), "--every", "100ms", "--for", "10m", "--top", "1")
    assert process.stdout is not None
    assert process.stdout.readline()
    truth.end()
    _, err = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 4
    assert "it was seen" in err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("maps",), 2, "no process is named"),
        (("maps", "abc"), 2, "'abc' is no process"),
        (("maps", "4194304999"), 2, "is no process"),
        (("maps", "--core", "/dev/null"), 5, "cannot read core dump"),
        (("maps", "1", "--core", "/dev/null"), 2, "a process and a core dump"),
        (("maps", "1", "--sort", "growth"), 2, "needs something to compare with"),
        (("maps", "1", "--for", "2s"), 2, "--every"),
        (("stacks", "abc", "--map", "x"), 2, "is no process"),
        (("verify", "--process", "abc", "--map", "x"), 2, "is no process"),
        (("verify", "--map", "x"), 2, "add --process"),
        (("pprof", "/nowhere"), 2, "cannot read /nowhere"),
        (("maps", "--core", "/nowhere"), 2, "core dump /nowhere does not exist"),
        (("maps", "1", "--diff", "/nowhere"), 2, "cannot read /nowhere"),
        (("pprof", "http://127.0.0.1:9/"), 5, "no answer from"),
        (("pprof", "a", "b", "c"), 2, "3 profiles"),
    ],
)
def test_wrong_words_are_told(files_program: Program, arguments: tuple[str, ...], code: int, words: str) -> None:
    done = files_program(*arguments)
    assert words in done.err
    assert done.code == code


def test_what_is_no_go_program_is_said_so(files_program: Program) -> None:
    import os

    done = files_program("maps", str(os.getpid()))
    assert done.code == 2
    assert "is no Go program" in done.err


@pytest.mark.whole(but=["command1"])
@pytest.mark.parametrize("command", [("stacks", "{pid}", "--by", "poll"), ("verify", "--process", "{pid}")])
def test_name_of_several_maps_is_said_so_and_no_name_is_refused(
    files_program: Program, truth: Truth, command: tuple[str, ...]
) -> None:
    words = [word.format(pid=truth.pid) for word in command]
    for empty in ("", " "):  # as of a variable that is not set
        done = files_program(*words, "--map", empty, "--for", "1s")
        assert (done.code, done.out) == (2, "")
        assert "no map of the process is named" in done.err
    done = files_program(*words, "--map", "map[", "--for", "1s")
    assert re.search(r"^watching .* \(and \d+ others like it are not watched\)$", done.err, re.MULTILINE), done.err
    done = files_program(*words, "--map", "(main.reconciler).seen", "--for", "1s")
    assert "not watched" not in done.err


def test_map_that_nothing_is_called_is_said_so(files_program: Program, truth: Truth) -> None:
    done = files_program("verify", "--process", str(truth.pid), "--map", "(main.nothing).seen", "--for", "1s")
    assert done.code == 2
    assert "no map of maps is held by" in done.err


@pytest.mark.whole(
    but=[
        "words0-is held by '(main.reconciller).seen'-did you mean (main.reconciler).seen",
        "words2-is of type 'map[main.uidd]bool'-did you mean map[main.uid]",
    ]
)
@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (("--holder", "(main.reconciller).seen"), "is held by '(main.reconciller).seen'", "did you mean (main.reconciler).seen"),
        (("--holder", "Reconciller", "-o", "json"), "is held by 'Reconciller'", "did you mean reconciler"),
        (("--type", "map[main.uidd]bool"), "is of type 'map[main.uidd]bool'", "did you mean map[main.uid]"),
        (("--holder", "zzzz"), "is held by 'zzzz'", "ghostkey maps PID lists them"),
    ],
)
def test_holder_or_type_of_no_map_is_a_wrong_word_that_leads_on(
    files_program: Program, truth: Truth, words: tuple[str, ...], said: str, hint: str
) -> None:
    done = files_program("maps", str(truth.pid), *words)
    assert (done.code, done.out) == (2, "")
    assert f"error: no map of maps {said}" in done.err
    assert f"hint: {hint}" in done.err
    # that a map of that name is not as long as was asked for is an answer
    none = files_program("maps", str(truth.pid), "--holder", "reconciler", "--min-len", "1000000000")
    assert none.code == 0


@pytest.mark.whole
def test_what_takes_long_is_told_on_the_terminal_while_a_map_is_verified(
    control_plane: ControlPlane, truth: Truth, tmp_path: Path
) -> None:
    answers = threading.Event()
    with Relay(control_plane) as relay:
        relay.spoil(Held(answers), when=lambda request: request.method == "GET")
        program = Program(tmp_path / "state", relay.kubeconfig)
        words = ("verify", "--process", str(truth.pid), "--map", "(main.reconciler).seen", "--for", "3s")
        screen = Terminal([sys.executable, "-m", "ghostkey", *words], program.environment())
        try:
            screen.wait_for("counting its ghosts in the cluster …")
            answers.set()
            screen.wait_for("watching", "left")
            assert screen.ended() in {0, 1}
            assert "counting" not in "\n".join(screen.lines)
        finally:
            answers.set()
            screen.close()


@pytest.mark.whole
def test_map_that_grows_does_not_converge_and_one_that_rests_does(files_program: Program, truth: Truth) -> None:
    watch = ("verify", "--process", str(truth.pid), "--map", "(main.reconciler).seen", "--for", "2s", "-o", "json")
    rests = files_program(*watch)
    assert (rests.code, rests.json["result"]) == (0, "converged")
    process = files_program.start(*watch)
    truth.tell("beat 200 8")
    out, _ = process.communicate(timeout=HANG_SECONDS)
    grows = json.loads(out)
    assert (process.returncode, grows["result"]) == (1, "not converged")
    assert grows["len_per_minute"] > 1000


@pytest.mark.whole
def test_leaking_operator_does_not_converge_and_its_ghosts_are_named(own_control_plane: ControlPlane, tmp_path: Path) -> None:
    """The scene of the demo: maps names the ghosts in memory, verify says that they do not go; of the correct operator, neither."""
    program = Program(tmp_path / "state", own_control_plane.kubeconfig)
    make_tenants_kind(own_control_plane)
    for mistake, result, code in ((("no-delete-on-notfound",), "not converged", 1), ((), "converged", 0)):
        operator = own_control_plane.start_operator(*mistake)
        for number in range(8):
            make_tenant(own_control_plane, "default", f"tenant-{number}{len(mistake)}")
        children = "/api/v1/namespaces/default/secrets/tenant-tenant-{}{}-credentials"
        done = [children.format(number, len(mistake)) for number in range(8)]
        own_control_plane.wait_until(lambda: all(own_control_plane.raw("GET", c)[0] == 200 for c in done), "all are served")  # noqa: B023
        for number in range(3):
            path = f"/apis/demo.ghostkey.dev/v1/namespaces/default/tenants/tenant-{number}{len(mistake)}"
            own_control_plane.request("DELETE", path)
            own_control_plane.wait_until(lambda: own_control_plane.raw("GET", path)[0] == 404, "it is gone")  # noqa: B023
        expected = {f"default.tenant-{n}1" for n in range(3)} if mistake else set()

        def says() -> bool:  # a correct operator too has the entries for the moment until it is told of the deletion
            found = program("maps", str(operator.pid), "-o", "json", "--top", "1")  # noqa: B023
            return (found.code, {finding["key"] for finding in found.json["findings"]}) == (code, expected)  # noqa: B023

        own_control_plane.wait_until(says, f"{len(expected)} ghost entries")
        words = ("verify", "--process", str(operator.pid), "--map", "(main.reconciler).memory", "--for", "2s", "-o", "json")
        seen = program(*words)
        assert (seen.code, seen.json["result"]) == (code, result), seen.err
        assert seen.json["ghosts_after"] == (3 if mistake else 0)
        operator.stop()


class _Files(http.server.BaseHTTPRequestHandler):
    """Serves profiles that a Go program wrote, as its own port would."""

    asked: list[str]
    answers: dict[str, list[bytes]]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        several = self.answers[self.path.partition("?")[0].rpartition("/")[2]]
        content = several.pop(0) if len(several) > 1 else several[0]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_heap_profiles_tell_what_grew_from_files_and_from_a_port(files_program: Program, truth: Truth, tmp_path: Path) -> None:
    paths = [tmp_path / "a.pb.gz", tmp_path / "b.pb.gz", tmp_path / "g.pb.gz"]
    truth.ask(f"profile heap {paths[0]}")
    truth.ask("insert 20000")
    truth.ask(f"profile heap {paths[1]}")
    truth.ask(f"profile goroutine {paths[2]}")
    done = files_program("pprof", str(paths[0]), str(paths[1]), "-o", "json")
    first = done.json["stacks"][0]
    assert first["stack"][0]["function"] == "main.remember"
    assert first["bytes"] > 500_000
    text = files_program("pprof", str(paths[0]), str(paths[1]))
    assert "main.remember" in text.out
    assert "never who deletes" in text.err, "what pprof cannot know is said"
    handler = type(
        "Handler",
        (_Files,),
        {"asked": [], "answers": {"heap": [p.read_bytes() for p in paths[:2]], "goroutine": [paths[2].read_bytes()]}},
    )
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        live = files_program("pprof", f"http://127.0.0.1:{port}", "--for", "1s", "-o", "json")
        server.shutdown()
    assert live.json["stacks"][0]["stack"][0]["function"] == "main.remember"
    assert live.json["goroutines"] >= 3
    assert handler.asked[0] == "/debug/pprof/heap?gc=1"


@pytest.mark.whole
def test_stacks_come_as_text_json_folded_and_as_a_profile_that_go_reads(
    files_program: Program, truth: Truth, tmp_path: Path
) -> None:
    import shutil
    import subprocess

    word = ("stacks", str(truth.pid), "--map", "(main.reconciler).seen", "--for")
    process = files_program.start(*word, "4s", "-o", "json")
    truth.tell("beat 300 900")  # until it is ended: a busy machine takes its time for each of these
    out, err = process.communicate(timeout=HANG_SECONDS)
    if process.returncode == 3:
        pytest.skip(f"no hardware breakpoints here: {err}")
    (told,) = json.loads(out)["maps"]
    assert told["is_exact"] is True
    assert {one["stack"][0]["function"] for one in told["stacks"]} == {"main.remember", "main.forget"}
    text = files_program(*word, "1s").out
    assert "inserts: " in text
    assert "main.remember" in text
    folded = files_program(*word, "1s", "-o", "folded").out.splitlines()
    assert any(line.startswith("insert;runtime.main;main.main;") and ";main.remember " in line for line in folded)
    raw = subprocess.run(
        [*_python(), *word, "1s", "-o", "pprof"],
        env=files_program.environment(),
        capture_output=True,
        check=True,
        timeout=HANG_SECONDS,
    ).stdout
    assert gzip.decompress(raw)
    if shutil.which("go"):
        (tmp_path / "map.pb.gz").write_bytes(raw)
        top = subprocess.run(
            ["go", "tool", "pprof", "-top", "-sample_index=inserts", str(tmp_path / "map.pb.gz")],
            capture_output=True, text=True, check=True, timeout=300,
        ).stdout  # fmt: skip
        assert "main.remember" in top
    polled = files_program(*word, "1s", "--by", "poll").out
    assert "who inserts is not known" in polled


def _python() -> list[str]:
    import sys

    return [sys.executable, "-m", "ghostkey"]
