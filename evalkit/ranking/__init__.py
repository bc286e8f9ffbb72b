"""From numbers to places: ranking rules, their uncertainty, their sensitivity, and whether metrics agree with people.

Pure functions over tables and arrays; nothing here reads files or clocks, and everything random takes a seed.
"""
