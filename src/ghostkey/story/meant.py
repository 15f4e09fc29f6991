"""Which of several objects a key is told to be for.

A key may be for several: of one name in several namespaces, of several kinds, or joined or cut so that they read alike. While one of
them lives the key is no ghost, and when all are gone it outlives the one that went last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ghostkey.inference.links import Meant

KEPT = 8  # objects of a key that are known beside the one that is told; a name may stand in thousands of namespaces


class MeantBy:
    """The objects that one key may be for: row of each → the template that makes the key of it.

    `uid`: that of the one that had the name before, and is meant alone.
    """

    __slots__ = ("_firmness", "_home", "templates", "uid")

    def __init__(self, found: Meant) -> None:
        self._home, self._firmness = found.seen.holder.namespace, found.firmness
        self.templates, self.uid = dict.fromkeys(found.rows, found.template), found.uid

    def add(self, found: Meant) -> None:
        """Takes in what another template makes of the key. What has a UID in it is for nobody else, whoever is called so."""
        if found.firmness > self._firmness:
            self._firmness, self.templates, self.uid = found.firmness, {}, found.uid
        if found.firmness == self._firmness:
            # the first template was believed first
            self.templates = dict.fromkeys(found.rows, found.template) | self.templates

    def chosen(self, ends: Mapping[int, int | None], namespaces: Sequence[str]) -> list[int]:
        """Rows, the one that is told first: one that lives, else the last that went; of the map's own namespace before others."""
        if len(self.templates) == 1:
            return list(self.templates)

        def order(row: int) -> tuple[bool, int, bool, str, int]:
            ended = ends.get(row, 0)
            return ended is not None, -(ended or 0), namespaces[row] != self._home, namespaces[row], row

        return sorted(self.templates, key=order)[: 1 + KEPT]


def meant_by_keys(found: Iterable[Meant]) -> dict[tuple[str, ...], MeantBy]:
    """Each key (kind, namespace and name of its map, field, path, key), with all objects that it may be for."""
    keys: dict[tuple[str, ...], MeantBy] = {}
    seen, spot = None, ("",) * 5
    for one in found:
        if one.seen is not seen:
            seen, holder = one.seen, one.seen.holder
            spot = holder.kind.qualified, holder.namespace, holder.name, seen.field, "/".join(seen.path)
        key = (*spot, one.seen.keys[one.place])
        held = keys.get(key)
        if held is None:
            keys[key] = MeantBy(one)
        else:
            held.add(one)
    return keys
