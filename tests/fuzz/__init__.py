"""Fuzzing: mutated archives, tables, YAML and JSON against everything that reads what strangers send."""
