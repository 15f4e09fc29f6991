"""Names and labels of the metrics of `ghostkey watch`, one series for each map and never for a key; alerts are written for these."""

from __future__ import annotations

MAP_KEYS = "ghostkey_map_keys"
GHOST_KEYS = "ghostkey_ghost_keys"
SUSPECT_KEYS = "ghostkey_suspect_keys"
BYTES = "ghostkey_bytes"
LIMIT_BYTES = "ghostkey_limit_bytes"
SECONDS_UNTIL_FULL = "ghostkey_seconds_until_full"
GAPS = "ghostkey_gaps"
# the map's own namespace, and `configmaps/NAME` as caps of a guard name it; a scrape keeps them by honor_labels
NAMESPACE, MAP = "namespace", "map"
# of the watcher itself
WATCHES_BROKEN = "ghostkey_watches_broken"
LOOKED_AT = "ghostkey_last_look_timestamp_seconds"
LOOK_SECONDS = "ghostkey_look_seconds"
IS_LEADER = "ghostkey_is_leader"
MAPS_LEFT_OUT = "ghostkey_maps_left_out"
EVENTS_TOTAL = "ghostkey_events_total"
NOTIFICATIONS_TOTAL = "ghostkey_notifications_total"
NOTIFICATIONS_FAILED_TOTAL = "ghostkey_notifications_failed_total"
# of an operator's log, and never one for a line
LOG_LINES_TOTAL = "ghostkey_log_lines_total"
OPERATOR, KEYWORD = "operator", "keyword"
