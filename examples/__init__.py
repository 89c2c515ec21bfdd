"""Programs that turn somebody else's log into facts, and tell them to a running server through its public API."""
