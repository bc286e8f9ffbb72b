"""From a board to its leaderboard: columns, ranking, rank intervals, one `Leaderboard` that every output prints."""
