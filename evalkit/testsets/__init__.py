"""Test sets: the samples that every submission must answer, with their references."""
