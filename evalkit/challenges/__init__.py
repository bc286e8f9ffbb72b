"""Challenges: what a submission must look like, which metrics rank, who rates what until when; and the presets."""
