"""The rating studio: which rater sees which videos (the plan), and the pages on which they answer (docs/studio.md)."""
