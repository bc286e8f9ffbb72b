"""Make a submission from a folder of generated videos: find each sample's file, correct it, and write the ZIP."""
