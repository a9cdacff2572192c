"""C templates: they hold C, Python holds the values."""
