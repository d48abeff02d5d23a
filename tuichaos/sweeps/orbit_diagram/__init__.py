"""Orbit diagrams: the end of an orbit at many values of a parameter."""
