"""Replicas advanced in blocks on threads, frame by frame."""
