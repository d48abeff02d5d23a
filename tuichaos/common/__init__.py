"""What every other floor may use: errors, limits, files, paths, memory; knows nothing of runs."""
