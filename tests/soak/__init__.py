"""Soak: commands that are killed at any moment, looked at, and run again."""
