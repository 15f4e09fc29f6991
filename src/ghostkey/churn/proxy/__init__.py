"""The proxy between an operator and its API server: HTTP/1.1, JSON, a process of its own, told what to do by JSON lines."""
