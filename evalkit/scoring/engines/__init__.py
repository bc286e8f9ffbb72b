"""Engines run the heavy map over videos: on this machine's processes, or elsewhere."""
