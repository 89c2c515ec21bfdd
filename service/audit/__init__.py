"""Audits: the log read again from its first entry to a fixed end, and every answer about the past derived anew."""
