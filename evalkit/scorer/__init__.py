"""Scoring frames in memory, as often as a training loop asks: `evalkit.Scorer`, and what its callbacks share."""
