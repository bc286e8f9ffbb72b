"""Distances between two folders of videos or images, without a test set or a challenge; test sets from a folder."""
