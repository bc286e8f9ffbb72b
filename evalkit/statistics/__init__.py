"""Statistics of ratings: mean opinion scores, rater models, Bradley-Terry, agreement; pure functions over arrays."""
