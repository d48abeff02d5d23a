"""What is asked for: experiments, their tables, presets, and settings of the explorer."""
