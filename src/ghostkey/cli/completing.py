"""What a shell completes: findings, receipts, kinds, analyses, keys. Nothing where the cluster, or a file, does not answer in time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import click

from ghostkey.cli.options import complete_map
from ghostkey.cli.where import Where
from ghostkey.model.errors import GhostkeyError, UsageError

COMPLETION_SECONDS = 1.5  # a shell that hangs is worse than one that completes nothing
MOST = 200


def _begin(found: Iterable[str], incomplete: str) -> list[str]:
    return [word for word in dict.fromkeys(found) if word.startswith(incomplete)][:MOST]


def _where(ctx: click.Context, namespace: str = "") -> Where:
    space = namespace or ctx.params.get("namespace")
    return Where(ctx.params.get("kubeconfig"), ctx.params.get("context"), space, request_timeout=COMPLETION_SECONDS)


def complete_analysis(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Names of analyses."""
    from ghostkey.analyses import all_analyses

    return _begin(all_analyses(), incomplete)


def complete_finding(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Ids of findings of the last scans, names of analyses, and maps."""
    from ghostkey.cli.findings_file import find

    if "/" in incomplete:
        return complete_map(ctx, parameter, incomplete)
    found, _ = find(incomplete)
    ids = [record["id"] for record, _ in found] if incomplete else []  # thousands of ids help nobody
    return _begin([*complete_analysis(ctx, parameter, incomplete), *ids, *complete_map(ctx, parameter, incomplete)], incomplete)


def complete_receipt(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Ids of receipts, the latest first; for `undo` maps too."""
    from pathlib import Path

    from ghostkey import api
    from ghostkey.model.plans import Receipt

    place = ctx.params.get("receipts")
    place = place if isinstance(place, str) and place != "cluster" else None
    found: list[str] = []
    with contextlib.suppress(GhostkeyError, OSError):
        found = [
            one.id for one in api.list_receipts(api.FileReceipts(Path(place) if place else None)) if isinstance(one, Receipt)
        ]
    maps = complete_map(ctx, parameter, incomplete) if parameter.name == "what" else []
    return _begin([*found, *maps], incomplete)


def complete_kind(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Kinds that the server serves, by plural and group."""
    from ghostkey.kube.discovery import discover

    with contextlib.suppress(GhostkeyError, OSError):
        return _begin((kind.qualified for kind in discover(_where(ctx).client()).kinds), incomplete)
    return []


def complete_holder(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Kinds of maps."""
    return _begin(("configmaps", "secrets"), incomplete)


def complete_key(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Keys of the map that is named already; not those of a Secret, which are not for a screen that others may see."""
    return _begin(_keys(ctx), incomplete)


def _keys(ctx: click.Context) -> Iterator[str]:
    from ghostkey.cli.options import parse_holder
    from ghostkey.model.refs import CONFIG_MAPS

    # an option that waits for its value leaves the arguments before it where they were
    words = ctx.params.get("map_words") or ctx.params.get("what") or ctx.args[:1]
    with contextlib.suppress(GhostkeyError, UsageError, OSError):
        pairs = parse_holder((words,) if isinstance(words, str) else tuple(words))
        if len(pairs) == 1 and pairs[0][0] == CONFIG_MAPS:
            client = _where(ctx).client()
            found = client.get_object(CONFIG_MAPS.path(client.config.namespace, pairs[0][1])) or {}
            for field in ("data", "binaryData"):
                yield from found.get(field) or ()
