"""The files of etcd: snapshots and write-ahead logs."""
