"""Which share of all keys of the map has this form: a registry holds little else.

Taught by: settings in which a few keys end like the name of an app.
"""

from __future__ import annotations

from ghostkey.inference.evidence import Case, Seen, bucket


def look(case: Case) -> Seen:
    """The share of the map's keys, apart for bare names, which every key is."""
    if case.template.order == "name" and not (case.template.prefix or case.template.suffix or case.template.transform):
        return Seen("bare names", "keys are taken for names as they are")
    return Seen(
        bucket(case.made / case.keys, (0.34, 0.67, 0.95)), f"{case.made:,} of {case.keys:,} keys have the form {case.template}"
    )
