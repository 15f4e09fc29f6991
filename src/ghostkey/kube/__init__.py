"""The API server: how to reach it, what it serves, what it says. Plain HTTP and typed decoding; see docs/adr/0001."""
