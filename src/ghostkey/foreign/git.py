"""The environment of a git that is asked about a repository by its folder, and by nothing else."""

from __future__ import annotations

import os

# A hook, or `git rebase --exec`, gives these to what it starts. They beat `git -C`: another repository would be read, or written.
# Settings stay: a container says with them whose folders git may read.
# Source: git 2.39, git rev-parse --local-env-vars, without GIT_CONFIG_COUNT and GIT_CONFIG_PARAMETERS
LOCAL_VARIABLES = frozenset((
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_DIR", "GIT_GRAFT_FILE", "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE", "GIT_INTERNAL_SUPER_PREFIX", "GIT_NO_REPLACE_OBJECTS", "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX", "GIT_REPLACE_REF_BASE", "GIT_SHALLOW_FILE", "GIT_WORK_TREE",
))  # fmt: skip


def environment() -> dict[str, str]:
    """Our environment without what leads git elsewhere."""
    return {name: value for name, value in os.environ.items() if name not in LOCAL_VARIABLES}


def environment_of_a_reader() -> dict[str, str]:
    """The same for a git that only reads: it asks nobody anything, fetches nothing, and speaks English."""
    return {**environment(), "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
