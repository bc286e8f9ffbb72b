"""Open a submission, list its members, and read them without trusting them."""
