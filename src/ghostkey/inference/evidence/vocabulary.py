"""Whether the names are words from lists that everybody knows: sizes, countries, colours, tiers, regions.

Taught by: a map of T-shirt sizes beside two InstanceTypes called small and large.
"""

from __future__ import annotations

from ghostkey.inference.evidence import Case, Seen, bucket
from ghostkey.inference.vocabulary import is_vocabulary


def look(case: Case) -> Seen | None:
    """The share of such words among the live names and the others; nothing where the key has a namespace as well."""
    if case.template.has_namespace:
        return None
    names = (*case.live_names, *case.gone_names)
    known = sum(map(is_vocabulary, names)) / max(1, len(names))
    return Seen(
        bucket(known, (0.01, 0.34, 0.67)),
        f"{known:.0%} of the names are sizes, countries, colours, tiers, stages or regions"
        if known
        else "none of the names is a size, country, colour, tier, stage or region",
    )
