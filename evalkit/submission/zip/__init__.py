"""Read the structure of a ZIP archive byte by byte, without trusting any part of it."""
