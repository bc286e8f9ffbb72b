"""EvalAI: the configuration of a challenge, what its evaluation script starts, and the rules of the platform."""
