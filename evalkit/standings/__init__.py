"""From a board to its ranking: what counts, what people say, who is where and how certain that is."""
