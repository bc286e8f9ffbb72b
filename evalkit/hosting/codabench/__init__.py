"""Codabench: the bundle of a competition, its scoring program, and the rules of the platform."""
