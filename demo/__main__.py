"""The five verbs on a real control plane: a leaking operator, its ghosts, and their end.

    python -m demo [--keep]

Nothing is left running, unless --keep asks for it: then the kubeconfig and the command that ends everything are printed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ghostkey.testing import ControlPlane, Process, binary, is_built, testbed_directory

NAMESPACES = ("alpha", "beta", "gamma")
TENANTS, KEPT, LEFT = 300, 90, 20
REGISTRY = ("cm/tenant-registry", "-n", "tenant-system")
PATH = "/api/v1/namespaces/tenant-system/configmaps/tenant-registry"
MEMORY = "(main.reconciler).memory"  # the map in the operator that the registry is written from


class LeakTest(NamedTuple):
    """A leak test that runs beside the story: its command line, its process, where its output is, and when it began."""

    words: Sequence[str]
    child: subprocess.Popen[bytes]
    said: Path
    began: float


class Demo:
    """One run of the story."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self.control_plane = control_plane
        self.began = time.monotonic()
        # away from the user's own kubeconfig and receipts
        state = {"GHOSTKEY_STATE": str(control_plane.directory / "ghostkey"), "KUBECONFIG": str(control_plane.kubeconfig)}
        self.environment = {**os.environ, **state}
        self.is_colored = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self.made = 0

    # telling

    def say(self, text: str) -> None:
        """One sentence of narration."""
        words = f"\n# {text}"
        print(f"\x1b[1;36m{words}\x1b[0m" if self.is_colored else words, flush=True)

    def ghostkey(self, *words: str, expected: int) -> None:
        """Runs the program before the reader's eyes; anything but the expected exit code ends the demo."""
        self.show(words)
        code = subprocess.run([sys.executable, "-m", "ghostkey", *words], env=self.environment, check=False).returncode
        self.check(code == expected, f"exit code {code}, expected {expected}")

    def show(self, words: Sequence[str]) -> None:
        """The command line, as somebody would type it."""
        line = "$ ghostkey " + " ".join(
            word if word.replace("-", "").replace("/", "").isalnum() else f"'{word}'" for word in words
        )
        print(f"\x1b[1m{line}\x1b[0m" if self.is_colored else line, flush=True)

    def check(self, holds: bool, what: str) -> None:
        """Ends the demo when the story does not go as it is told."""
        if not holds:
            raise SystemExit(f"demo: {what}")

    # doing

    def tenant(self, number: int) -> str:
        """Path of a Tenant."""
        return f"/apis/demo.ghostkey.dev/v1/namespaces/{NAMESPACES[number % len(NAMESPACES)]}/tenants"

    def create(self, count: int) -> None:
        """Makes Tenants, and waits until the operator has written a key for each."""
        numbers = range(self.made, self.made + count)
        body = {"apiVersion": "demo.ghostkey.dev/v1", "kind": "Tenant", "spec": {"plan": "gold"}}
        self.control_plane.create_many([(self.tenant(n), {**body, "metadata": {"name": f"tenant-{n:04d}"}}) for n in numbers])
        self.made += count
        wanted = {f"{NAMESPACES[n % len(NAMESPACES)]}.tenant-{n:04d}" for n in numbers}
        self.control_plane.wait_until(lambda: wanted <= self.keys(), f"{count} new Tenants have their keys")

    def delete(self, numbers: Sequence[int]) -> None:
        """Deletes Tenants, and waits until they are gone."""
        left = self.tenants() - len(numbers)
        for number in numbers:
            self.control_plane.request("DELETE", f"{self.tenant(number)}/tenant-{number:04d}")
        self.control_plane.wait_until(lambda: self.tenants() == left, "they are gone")

    def tenants(self) -> int:
        """How many Tenants there are."""
        return len(self.control_plane.request("GET", "/apis/demo.ghostkey.dev/v1/tenants")["items"])

    def data(self) -> dict[str, str]:
        """The registry as it is."""
        status, body = self.control_plane.raw("GET", PATH)
        return dict(json.loads(body).get("data") or {}) if status == 200 else {}

    def keys(self) -> set[str]:
        """Keys of the registry."""
        return set(self.data())

    def children(self) -> int:
        """How many Secrets the Tenants have."""
        secrets = self.control_plane.request("GET", "/api/v1/secrets")["items"]
        return sum(secret["metadata"]["name"].endswith("-credentials") for secret in secrets)

    def verify(self, seconds: str, *words: str) -> subprocess.Popen[bytes]:
        """Starts verify; returns when it watches."""
        line = ("verify", *REGISTRY, "--for", seconds, *words)
        self.show(line)
        child = subprocess.Popen(
            [sys.executable, "-m", "ghostkey", *line], env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert child.stderr is not None
        for text in child.stderr:
            print(text.decode().rstrip(), flush=True)
            if text.startswith(b"watching"):
                break
        return child

    def finish(self, child: subprocess.Popen[bytes], expected: int) -> None:
        """Waits for verify's verdict."""
        verdict, said = child.communicate(timeout=120)
        print((said + verdict).decode().rstrip(), flush=True)
        self.check(child.returncode == expected, f"verify ended with {child.returncode}, expected {expected}")

    def stacks(self, operator: Process) -> None:
        """Who inserts into the operator's map, while Tenants come; where the machine has breakpoints for it."""
        line = ("stacks", str(operator.pid), "--map", MEMORY, "--for", "4s")
        self.show(line)
        child = subprocess.Popen([sys.executable, "-m", "ghostkey", *line], env=self.environment, stderr=subprocess.PIPE)
        assert child.stderr is not None
        for text in child.stderr:
            print(text.decode().rstrip(), flush=True)
            if text.startswith(b"watching"):
                time.sleep(1)  # it is armed some milliseconds later, and nothing outside shows when
                self.create(3)
        self.check(child.wait() in (0, 3), f"stacks ended with {child.returncode}")

    # the story

    def leak(self, *mistakes: str) -> Process:
        """Tenants that come and go under an operator with these mistakes; the operator, still running."""
        for name in NAMESPACES:
            self.control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        leaking = self.control_plane.start_operator(*mistakes)
        # the garbage collector looks for new kinds every half minute; one that starts now knows Tenants at once
        self.control_plane.restart("kube-controller-manager")
        self.create(TENANTS)
        self.delete(range(KEPT, TENANTS))
        self.control_plane.wait_until(lambda: self.children() == KEPT, "garbage collection has taken their children")
        return leaking

    def run(self) -> None:
        """From the leak to the undo."""
        self.say(f"An operator keeps one key per Tenant in {REGISTRY[0]}. Its Reconcile forgets the delete.")
        leaking = self.leak("no-delete-on-notfound")
        print(f"{TENANTS} Tenants came, {TENANTS - KEPT} went; the map has {len(self.keys())} keys", flush=True)

        self.say("Which keys are ghosts?")
        self.ghostkey("scan", expected=1)
        self.say("Why should I believe that?")
        self.ghostkey("explain", REGISTRY[0], "beta.tenant-0100", "-n", REGISTRY[2], expected=1)
        self.say("Who wrote it, and why did nobody remove it? The API server's own audit log knows.")
        audit = str(self.control_plane.audit_log)
        page = self.control_plane.directory / "story.html"
        self.ghostkey("explain", REGISTRY[0], "-n", REGISTRY[2], "--from", audit, "--html", str(page), expected=1)
        self.ghostkey("explain", REGISTRY[0], "beta.tenant-0100", "-n", REGISTRY[2], "--from", audit, expected=1)
        self.say("Take them away, all or none, with a receipt.")
        self.ghostkey("trim", *REGISTRY, "--ghosts", "--apply", "--max-percent", "80", expected=0)

        # it takes as long as the scenes that follow, and these mostly wait
        test = self.begin_churn("wrong-delete-key")
        try:
            self.stay_gone(leaking)
            self.end_churn(test)
        finally:
            if test.child.poll() is None:
                test.child.terminate()
                test.child.wait()
        self.say("And the next time? A guard lets the map shrink and change, and not grow past a cap:")
        cap = len(self.keys())
        self.guard(cap)
        self.alert(cap)
        self.say(f"That is all. {time.monotonic() - self.began:.0f} s.")

    def stay_gone(self, leaking: Process) -> None:
        """Trimmed keys that come back from the operator's memory, the operator that deletes, and the undo."""
        self.say("Do they stay gone? A new Tenant makes the operator write its map again …")
        watching = self.verify("30s", "--fail-fast")
        self.create(1)
        self.finish(watching, 1)
        self.say("They do not: they live on in the operator's memory. Which map is it, and which line puts them there?")
        self.ghostkey("maps", str(leaking.pid), "--holder", MEMORY, expected=1)
        self.stacks(leaking)
        self.say("Nothing deletes from it. The operator that does takes over.")
        leaking.stop()
        fixed = self.control_plane.start_operator(name="fixed-operator")
        self.create(1)
        self.ghostkey("trim", *REGISTRY, "--ghosts", "--apply", expected=0)
        self.say("Through reconciles and a restart of the operator:")
        watching = self.verify("6s")
        self.create(5)
        self.restart(fixed)
        self.create(5)
        self.finish(watching, 0)
        self.say("And in its memory?")
        pid = str(self.control_plane.processes["fixed-operator"].pid)
        self.ghostkey("verify", "--process", pid, "--map", MEMORY, "--for", "2s", expected=0)

        self.say("And a trim that was wrong? The expression takes living Tenants too.")
        before = self.data()
        self.ghostkey("trim", *REGISTRY, "--match", "alpha[.]tenant-00.*", "--apply", expected=0)
        self.check(self.data() != before, "the wrong trim took nothing")
        self.ghostkey("undo", expected=0)
        self.check({k: v for k, v in self.data().items() if k in before} == before, "undo did not restore every byte")
        self.ghostkey("scan", expected=0)
        self.say("Every byte is back, and no ghost is left.")

    def leave(self) -> None:
        """A leak for whoever plays with what is kept: the guard goes, and the operator with the mistake takes over again."""
        self.say("For you to play with: the guard goes, and the leaking operator takes over again.")
        self.ghostkey("guard", "remove", "--apply", expected=0)
        self.control_plane.processes["fixed-operator"].stop()
        self.control_plane.start_operator("no-delete-on-notfound", name="leaking-again")
        begin = self.made
        self.create(LEFT)
        self.delete(range(begin, begin + LEFT))
        print(f"{LEFT} more Tenants came and went; their keys stayed", flush=True)

    def guard(self, cap: int) -> None:
        """The map may keep what it has; a leak is refused."""
        self.ghostkey("guard", "apply", *REGISTRY, "--cap", str(cap), "--mode", "deny", "--apply", expected=0)

        def write(patch: dict[str, object]) -> tuple[int, bytes]:
            return self.control_plane.raw("PATCH", PATH, json.dumps({"data": patch}).encode(), "application/merge-patch+json")

        def is_refused() -> bool:  # an API server needs a moment to take a new policy up
            self.made += 1
            code, answer = write({f"beta.leak-{self.made}": "assigned"})
            if code == 422:
                print(f"a key more: {json.loads(answer)['message']}", flush=True)
            return code == 422

        self.control_plane.wait_until(is_refused, "a key more is refused")
        self.check(write({next(iter(self.keys())): None})[0] == 200, "a key less was refused")
        print("a key less: done", flush=True)

    def alert(self, cap: int) -> None:
        """The alert of this incident fires in its test, where promtool is at hand: to build it takes longer than the whole demo."""
        if shutil.which("promtool") is None and not is_built("promtool"):
            self.say(
                "Its alert is tried with promtool, which is built once (two minutes): python -m ghostkey.testing build promtool"
            )
            return
        from ghostkey.actions.receipts import FileReceipts
        from ghostkey.guard.caps import Cap
        from ghostkey.learn.parts import HELD, alert
        from ghostkey.learn.reading import of_receipt
        from ghostkey.model.refs import CONFIG_MAPS

        self.say("And an alert for whoever is on call, with its test, as ghostkey learn writes them:")
        os.environ["GHOSTKEY_STATE"] = self.environment["GHOSTKEY_STATE"]  # where the receipt of the first trim is
        listed = subprocess.run(
            [sys.executable, "-m", "ghostkey", "undo", "--list", "-o", "json"],
            env=self.environment,
            capture_output=True,
            check=True,
        )
        first = min(json.loads(listed.stdout)["receipts"], key=lambda one: str(one["id"]))["id"]
        bound = Cap(CONFIG_MAPS, REGISTRY[2], REGISTRY[0].partition("/")[2], cap, cap, "the demo")
        part = alert.part(of_receipt(FileReceipts().load(first)), bound, "")
        self.check(part.state == HELD, part.said)
        for line in part.files[alert.RULES].splitlines():
            if "alert:" in line or "expr:" in line:
                print(line, flush=True)
        print(f"fired on what leaks, silent on what is well: {part.said}", flush=True)

    def begin_churn(self, mistake: str) -> LeakTest:
        """Starts the leak test of an operator with this mistake: what outlives its Tenant, and the least steps to it."""
        sources, here = testbed_directory() / "tenant-operator", self.control_plane.directory
        sample = {"apiVersion": "demo.ghostkey.dev/v1", "kind": "Tenant", "metadata": {"name": "acme"}, "spec": {"plan": "gold"}}
        setup = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": REGISTRY[2]}}
        for name, content in (("sample", sample), ("setup", setup)):
            (here / f"{name}.json").write_text(json.dumps(content))
        operator = f"{binary('tenant-operator')} --mistake={mistake}"
        files = ("--crds", str(sources / "crd.yaml"), "--setup", str(here / "setup.json"), "--sample", str(here / "sample.json"))
        brief = ("--no-faults", "--subjects", "2", "--patience", "500ms", "--reproduction", str(here / "reproduction"))
        words = ("churn", "--operator", operator, *files, *brief)
        said = here / "churn.txt"
        with said.open("wb") as output:
            line = [sys.executable, "-m", "ghostkey", *words]
            child = subprocess.Popen(line, env=self.environment, stdout=output, stderr=subprocess.STDOUT)
        return LeakTest(words, child, said, time.monotonic())

    def end_churn(self, test: LeakTest) -> None:
        """Waits for the leak test, and shows what it said."""
        began = f"it began {time.monotonic() - test.began:.0f} s ago, beside the above"
        self.say(f"And before a release? The leak test runs the operator as it is, on a control plane of its own ({began}).")
        self.show(test.words)
        code = test.child.wait()
        print(test.said.read_text().rstrip(), flush=True)
        self.check(code == 1, f"churn ended with {code}, expected 1")
        (case,) = (self.control_plane.directory / "reproduction").iterdir()
        print((case / "README.md").read_text(), flush=True)

    def restart(self, operator: Process) -> None:
        """The operator goes and comes, as in a rollout."""
        operator.stop()
        self.control_plane.start_operator(name="fixed-operator")


def main() -> int:
    """Runs the demo."""
    print("starting etcd, kube-apiserver and kube-controller-manager …", flush=True)
    with ControlPlane(controller_manager=True) as control_plane:
        demo = Demo(control_plane)
        demo.run()
        if "--keep" in sys.argv:
            demo.leave()
            pid = control_plane.keep()
            program = Path(sys.executable).with_name("ghostkey")
            print("\nit goes on running, with a map that leaks; play with it:")
            state = control_plane.directory / "ghostkey"  # where its receipts and findings are
            print(f"  export KUBECONFIG={control_plane.kubeconfig} GHOSTKEY_STATE={state} PATH={program.parent}:$PATH")
            print("  ghostkey scan")
            print("  ghostkey explain cm/tenant-registry -n tenant-system")
            print(f"end it and remove its directory:\n  kill {pid}", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\ninterrupted: the control plane is ended, nothing is left", file=sys.stderr)
        sys.exit(130)
