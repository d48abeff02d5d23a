"""Run folders on the disk: written, read, locked, listed, checkpoints among them."""
