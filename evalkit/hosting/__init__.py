"""Bundles for platforms that host challenges, and the programs that score submissions there (docs/hosting.md)."""
