"""Whether a test set is in a public training set: fingerprints of a folder of videos, and the comparison with them."""
