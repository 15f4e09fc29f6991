"""Mutated inputs of every kind; `python -m tests.fuzz --help`. A kind of input is one file in `inputs/`."""
