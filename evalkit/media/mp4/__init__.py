"""Read the boxes of an MP4 file without trust, and what its index states."""
