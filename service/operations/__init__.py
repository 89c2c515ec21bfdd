"""What the command line does, a module a noun: through a running server where one holds the file."""
