"""Plugins: hooks, loading under guard, and the options that a solver, set or step declares."""
