"""The database of a challenge: teams, runs, scorecards, ratings, decisions, and a log that only grows."""
