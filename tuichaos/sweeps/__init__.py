"""Sweeps: one experiment at many values of one key or two, and a table of what came out."""
