"""The terminal explorer: a watcher of the same simulation that ``tuichaos run`` uses."""
