"""Read ``.npy`` and ``.npz`` files of others: nothing in them is run, nothing is allocated because a header says so.

numpy's own reader parses the header with a parser for Python and takes the header's word for how much to allocate.
Here the header is matched against the one form that numpy writes, and every length is compared with the file first.
"""
