"""An operator in a few lines of Python: a ConfigMap has a key for each namespace there is. With `leak` it deletes none.

With `remember` it notes each one in memory, for ever. With `waits` it rests before each write, as a limit of a client's own makes it. With `ponders` it
rests before each event, whatever comes of it: what is asked of others takes time.
"""

import json
import os
import subprocess
import sys
import time

MAP = ("configmap", "registry", "--namespace=default")


def main(kubectl: str, *words: str) -> None:
    """Runs until the watch ends."""

    def run(*arguments: str) -> None:
        subprocess.run([kubectl, *arguments], capture_output=True, check=False)

    def patch(name: str, value: str | None) -> None:
        if "waits" in words:
            time.sleep(1.0)
        run("patch", *MAP, "--type=merge", "-p", json.dumps({"data": {name: value}}))

    seen: dict[str, str] = {}
    run("create", *MAP)
    watch = [kubectl, "get", "namespaces", "--watch", "--output-watch-events", "-o", "json"]
    with subprocess.Popen(watch, stdout=subprocess.PIPE) as watching:
        assert watching.stdout is not None
        text = ""
        while piece := os.read(watching.stdout.fileno(), 65_536):
            text += piece.decode()
            while text.strip():
                try:
                    event, end = json.JSONDecoder().raw_decode(text.lstrip())
                except ValueError:
                    break  # the rest of the event is on its way
                text = text.lstrip()[end:]
                name = event["object"]["metadata"]["name"]
                if "ponders" in words:
                    time.sleep(0.4)
                if "remember" in words:
                    seen[name] = event["type"]
                if event["type"] == "ADDED":
                    patch(name, "1")
                elif event["type"] == "DELETED" and "leak" not in words:
                    patch(name, None)


main(*sys.argv[1:])
