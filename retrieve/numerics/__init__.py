"""Numerics: array libraries, compiled passes and transforms, alignment and registration."""
