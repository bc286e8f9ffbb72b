"""How fast a generator is: measurements, where they are from, and on which hardware."""
