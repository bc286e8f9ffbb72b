"""Fairness: how the numbers of a submission, or of a board, differ between groups of people."""

MIN_VIDEOS = 20  # with a value, that a group needs to be compared
MIN_IDENTITIES = 10
