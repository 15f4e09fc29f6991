"""What a watcher says to whoever reads its log."""

from __future__ import annotations

import re
import urllib.request

from ghostkey.testing import ControlPlane
from tests.helpers import HANG_SECONDS, Program, bind, make_map
from tests.watch.helpers import watching

MAPS = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}]


def test_missing_rights_are_told_in_a_few_words_with_what_to_do(
    program: Program, control_plane: ControlPlane, namespace: str
) -> None:
    make_map(control_plane, namespace, "m", {"a": "1"})
    user = f"few-rights-{namespace}"
    bind(control_plane, user, MAPS)
    with watching(program.as_user(control_plane.kubeconfig_for(user)), control_plane) as watcher:
        assert (watcher.value("gaps") or 0) > 10
        assert watcher.end() == 0
        (line,) = [line for line in watcher.said if line.startswith("not seen: ")]
    assert line.count("403 Forbidden") == 3
    more = re.search(r"; and (\d+) more gaps; `ghostkey rbac --for watch` prints the rights", line)
    assert more, line
    assert int(more[1]) > 5


def test_address_that_is_told_can_be_opened_also_of_ipv6(program: Program) -> None:
    process = program.start("watch", "--listen", "[::1]:0", "--web", "[::1]:0")
    try:
        assert process.stderr is not None
        for what, path in (("metrics", "/metrics"), ("page", "/")):
            told = re.search(rf"{what} at (http://\S+)", line := process.stderr.readline())
            assert told, line
            assert told[1].endswith(path)
            with urllib.request.urlopen(told[1], timeout=HANG_SECONDS) as answer:
                assert answer.status == 200
    finally:
        process.kill()
        process.communicate()
