"""Everything that touches the world: HTTP, the write path, connectors, keys, the clock."""
