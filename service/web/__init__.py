"""Pages for people, served from here alone."""
