"""Writes the folder of a new use case from a file of rows: it can be run at once, and lists what to review."""
