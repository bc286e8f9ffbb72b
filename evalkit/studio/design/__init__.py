"""Who sees what, in which order: balanced designs of ratings and comparisons."""
