"""Confined worker processes: a crash or a hang costs one job, not the run."""
