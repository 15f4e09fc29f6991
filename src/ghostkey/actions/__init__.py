"""Turns findings into a plan, applies it under preconditions, leaves a receipt, and puts back what was removed."""
