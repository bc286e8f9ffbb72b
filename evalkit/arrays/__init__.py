"""Measuring arrays in memory: `evalkit.measure`, `evalkit.functional` and the session that both are built on."""
