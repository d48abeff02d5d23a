"""One run, from its plan to its folder, and on from there."""
