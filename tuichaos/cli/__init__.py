"""The commands of the command line, and how they tell what came of it."""
