"""The leak test for operators: subjects come and go under the unmodified program, and what outlives them is told, with proof.

    control plane → lane (proxy, operator) → rounds → traces → verdicts → confirmed, shrunk, written down

Whatever could not be seen makes a verdict "inconclusive": nobody is acquitted by silence.
"""
