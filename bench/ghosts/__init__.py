"""Precision and recall of the inference over generated clusters; `python -m bench.ghosts` prints and checks them."""
