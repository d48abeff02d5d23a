"""How fast it is, and pictures of every screen."""
