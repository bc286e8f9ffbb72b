"""Plan, extract, aggregate: from a validated submission to a scorecard."""
