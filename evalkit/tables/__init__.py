"""A paper's table from many runs: the file that describes it, its cells, what may stand in one column."""
