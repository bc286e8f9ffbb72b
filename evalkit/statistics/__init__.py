"""Statistics of ratings: mean opinion scores, rater models, Bradley-Terry, agreement; pure functions over arrays."""

BOOTSTRAP_DRAWS = 2000  # of every confidence interval; of a leaderboard unless `--draws` says otherwise
