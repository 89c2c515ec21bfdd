"""What other tools open: a file a format, each written as the log is read, and never the whole log in memory."""
