"""All submissions of a challenge at once: their list, the queue, and what came of each."""
