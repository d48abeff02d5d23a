"""Perceptrons: their definition, and the fast path that takes the same steps."""
