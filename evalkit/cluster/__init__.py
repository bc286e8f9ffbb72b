"""Throughput beyond one machine: shards of a run and their merge, and Ray as an engine."""
