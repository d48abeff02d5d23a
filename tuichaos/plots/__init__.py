"""Figures of runs and sweeps, and what draws them."""
