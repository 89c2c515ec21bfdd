"""What is remembered: an append-only log per organisation, neutral to the database and blind to the domain."""
