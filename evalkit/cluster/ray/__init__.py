"""Videos read on the nodes of a Ray cluster."""
