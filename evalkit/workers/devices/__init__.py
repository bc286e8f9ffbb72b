"""The process that runs networks for all workers: one for each device (design/025)."""
