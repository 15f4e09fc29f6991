"""Files for other people's tools: each is syntax that its tool takes, and calls the program by words that it knows."""

from __future__ import annotations

import re
import shlex
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import click
import yaml

from ghostkey.cli import COMMANDS, program

ROOT = Path(__file__).parents[2]


def knows(words: list[str]) -> None:
    """Raises for words that the program would not take."""
    context = click.Context(program)
    command = program.get_command(context, words[0])
    assert command is not None, words
    command.make_context(words[0], words[1:], parent=context)


def checked_shell(text: str) -> None:
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_action_is_whole_and_its_scripts_are_bash() -> None:
    action: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
    assert {"name", "description", "inputs", "outputs", "runs"} <= action.keys()
    assert action["runs"]["using"] == "composite"
    for step in action["runs"]["steps"]:
        assert step["shell"] == "bash"
        checked_shell(step["run"])
        # what a pull request may set reaches a script as an environment variable, never as its text
        assert "${{" not in step["run"]
        used = set(re.findall(r"inputs\.([-\w]+)", str(step.get("env", {}))))
        assert used <= action["inputs"].keys()
    knows(["lint", "-o", "github", "--diff", "HEAD"])
    knows(["scan", "-o", "github", "--fail-on", "never"])


def test_gitlab_component_is_whole() -> None:
    spec, jobs = yaml.safe_load_all((ROOT / "templates" / "ghostkey.yml").read_text())
    inputs = spec["spec"]["inputs"]
    text = (ROOT / "templates" / "ghostkey.yml").read_text()
    assert set(re.findall(r"\$\[\[ inputs\.(\w+) \]\]", text)) == inputs.keys()
    (job,) = jobs.values()
    assert job["artifacts"]["reports"]["codequality"] == "gl-code-quality-report.json"
    for command in inputs["command"]["options"]:
        assert command in COMMANDS
        knows([command, "-o", "gitlab"])
    for line in job["script"]:
        checked_shell(line.replace("$[[", "x").replace("]]", ""))


def test_workflow_for_churn_is_whole_and_its_words_are_known() -> None:
    (text,) = re.findall(r"^```yaml\n(.+?)^```$", (ROOT / "docs" / "churn.md").read_text(), re.M | re.S)
    workflow = yaml.safe_load(text)
    # YAML 1.1 reads the key `on` as true
    assert workflow.keys() == {"name", True, "permissions", "jobs"}
    assert workflow["permissions"] == {"contents": "read", "security-events": "write"}
    (job,) = workflow["jobs"].values()
    assert all(step.keys() & {"run", "uses"} for step in job["steps"])
    for step in job["steps"]:
        assert "run" in step or re.fullmatch(r"[\w./-]+@v\d+", step["uses"])
    scripts = [step["run"] for step in job["steps"] if "run" in step]
    for script in scripts:
        checked_shell(script)
        assert "${{" not in script
    (line,) = [script for script in scripts if script.startswith("ghostkey churn")]
    command, mark, output = line.partition(" > ")
    knows(shlex.split(command)[1:])
    uploads = [step for step in job["steps"] if step.get("uses", "").startswith("github/codeql-action/upload-sarif@")]
    assert mark
    assert [step["with"]["sarif_file"] for step in uploads] == [output]
    # exit code 1 is what a leak is: the upload has to come all the same
    assert all(step["if"].startswith("always()") for step in uploads)


def test_k9s_plugins_call_the_program_by_words_that_it_knows() -> None:
    plugins = yaml.safe_load((ROOT / "deploy" / "k9s" / "plugins.yaml").read_text())["plugins"]
    assert len({plugin["shortCut"] for plugin in plugins.values()}) == len(plugins)
    for plugin in plugins.values():
        assert {"shortCut", "description", "scopes", "command", "args"} <= plugin.keys()
        _, script, *names = plugin["args"]
        checked_shell(script)
        assert names == ["$RESOURCE_NAME", "$NAME", "$NAMESPACE", "$CONTEXT"]
        # names come as arguments of the shell, never as its text
        assert "$NAME" not in script
        line = script.partition("2>&1")[0].replace('"$0/$1"', "configmaps/registry").replace('"$2"', "prod").replace('"$3"', "c")
        kubectl, ghostkey, *words = shlex.split(line)
        assert (kubectl, ghostkey) == ("kubectl", "ghostkey")
        knows(words)


def test_container_runs_as_nobody_and_installs_by_hashes_alone() -> None:
    text = (ROOT / "deploy" / "container" / "Containerfile").read_text()
    assert re.search(r"^USER 65532:65532$", text, re.M)
    assert all("--require-hashes" in line or "--no-index" in line for line in text.splitlines() if "pip install" in line)
    requirements = (ROOT / "requirements" / "image.txt").read_text()
    assert all("--hash=sha256:" in block for block in re.split(r"\n(?=\w)", requirements.strip()))


def test_pre_commit_hooks_call_the_program_by_words_that_it_knows() -> None:
    for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text()):
        name, *words = shlex.split(hook["entry"])
        assert name == "ghostkey"
        knows(words)


def test_containerfile_has_nothing_that_its_linter_knows_better(tmp_path: Path) -> None:
    """hadolint: no build here, since no image registry is reached; what is built is built where images are."""
    linter = Path(sysconfig.get_path("scripts")) / "hadolint"
    file = ROOT / "deploy" / "container" / "Containerfile"
    for text, code in ((file.read_text(), 0), (file.read_text().replace("USER 65532:65532", "USER root"), 1)):
        (tmp_path / "Containerfile").write_text(text)
        words = [str(linter), "--no-color", "--config", "/dev/null", str(tmp_path / "Containerfile")]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
    assert "ghostkey" in re.findall(r'^ENTRYPOINT \["(\w+)"\]', file.read_text(), re.M)
