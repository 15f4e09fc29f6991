"""What happened, from logs, snapshots and dumps of the past."""
