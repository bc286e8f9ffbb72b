"""How the tables of a board came to be what they are, step by step."""
