"""What people's judgements say: screening, estimates, agreement and pair comparisons, as pure functions over arrays."""
