"""What the exit codes mean: the same for every command, and one test for each in tests/cli/test_exit_codes.py."""

from __future__ import annotations

EXIT_CODES = {
    0: "Nothing was found, or what was asked for was done.",
    1: "News: `scan` found something at or above `--fail-on`, `explain` has a finding to show or a story with ghosts, "
    "`verify` saw keys come back or the map still grow. Never an error.",
    2: "Wrong usage: an unknown option or value, a contradiction, a broken kubeconfig, or a name of nothing: a map, key, finding, "
    "receipt, context or kind that is not there. Nothing was asked that could change anything.",
    3: "Not everything could be seen: access was denied, or what a scan should look at (`-n`, `-l`, cm/NAME, `--kinds`) is not there. "
    "What was found is shown; it may not be all.",
    4: "The plan is outdated or was not taken as it is: a key, its value or its subject is not as it was planned, or a policy of "
    "the cluster put a key back.",
    5: "Failed, and nothing was changed, or it is said what was: the server, a proxy, a file or a disk did not do its part, or "
    "ghostkey refuses on purpose.",
    6: "The outcome of a write is not known: no answer came, and the map cannot be read. The receipt stays pending, and is named.",
    130: "Ended by Ctrl-C (143 by SIGTERM, 129 by SIGHUP): `verify` tells what it saw until then.",
    141: "Whoever read the output has stopped reading, as `head` does when it has enough.",
}
