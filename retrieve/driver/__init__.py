"""The driver: it runs every solver, counts the cost, checks, scores and selects the starts."""
