"""Checkpoints: the whole state of a run at the end of a frame, kept so that it goes on from
there with the bits it would have had."""
