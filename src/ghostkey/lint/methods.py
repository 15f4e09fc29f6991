"""The methods that maps, sets, caches and vectors of metrics are filled and emptied with, by name."""

from __future__ import annotations

from typing import Final

INSERTING: Final = frozenset(
    [
        "Store",
        "LoadOrStore",
        "Set",
        "Add",
        "Insert",
        "Put",
        "Upsert",
        "Swap",
        "InsertOrUpdate",
        "InsertAll",
        "SetDefault",
        "SetWithTTL",
        "GetOrSet",
        "GetOrCreate",
    ]
)
RELEASING: Final = frozenset(
    [
        "Delete",
        "LoadAndDelete",
        "Remove",
        "Evict",
        "Pop",
        "Clear",
        "Forget",
        "Drop",
        "DeleteAll",
        "Unset",
        "CompareAndDelete",
        "Reset",
        "ResetTx",
        "Purge",
        "DeleteFunc",
        "Flush",
        "Del",
        "Invalidate",
        "RemoveAll",
        "Cleanup",
        "DeleteLabelValues",
        "DeletePartialMatch",
        "DeleteKey",
        "PopAny",
        "Prune",
        "Take",
        "GetAndDelete",
        "UnsortedPop",
        "DeleteIf",
        "Unregister",
    ]
)
LABELLED: Final = frozenset(
    {"With", "WithLabelValues", "GetMetricWith", "GetMetricWithLabelValues", "MustCurryWith", "CurryWith"}
)
