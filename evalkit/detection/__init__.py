"""Scores of detectors and what is true of the videos: tables, submissions, leaks between training and test."""
