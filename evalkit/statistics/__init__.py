"""Statistics of ratings: mean opinion scores, rater models, Bradley-Terry, agreement; pure functions over arrays."""

BOOTSTRAP_DRAWS = 2000  # default of means, rankings and opinion scores
PERMUTATIONS = 9999  # default of tests that shuffle labels
