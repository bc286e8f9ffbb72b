"""Reference packs: what a test set's references give, computed once and sent to whoever scores."""
