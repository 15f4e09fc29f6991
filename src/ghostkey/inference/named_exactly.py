"""Whole objects that are called exactly as their subject, with nothing around the name: Secrets of Kafka users, of Clusters.

Two things of one name are common, and prove nothing. It tells something where a program's own label is on all of these, every live
subject has one, and most of them have a live subject.
"""

from __future__ import annotations

from collections.abc import Sequence

from ghostkey.inference.template import Template
from ghostkey.model.events import KeysSeen
from ghostkey.model.managers import MARKS

LEAST, KEYED, MOSTLY = 3, 0.8, 0.5  # live subjects, the share of them that has an object, and of the objects that has a subject
DOUBT = "they are called as others, and nothing around the name says that they are theirs"
# labels that people and charts put on anything
_OF_ANYBODY = ("app.kubernetes.io/", "helm.sh/", "kubernetes.io/")


def are_named_exactly(template: Template, groups: Sequence[KeysSeen], live: int, keyed: float) -> bool:
    """Whether groups of objects, each of one hand, look like those that a program named as its subjects: `live` have a subject.

    The name of a group's holder is made of the labels that all its objects have.
    """
    if not template.is_bare or not template.is_plain_name or live < LEAST or keyed < KEYED:
        return False
    return live >= MOSTLY * sum(len(seen.keys) for seen in groups) and all(
        any("/" in label and label not in MARKS and not label.startswith(_OF_ANYBODY) for label in seen.holder.name.split(","))
        for seen in groups
    )
