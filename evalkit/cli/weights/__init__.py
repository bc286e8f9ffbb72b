"""``evalkit weights``: fetch, import and check the files of networks."""
