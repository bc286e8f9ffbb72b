"""MTurk and Prolific: what they are given to send people to a study, and what they say of them afterwards."""
