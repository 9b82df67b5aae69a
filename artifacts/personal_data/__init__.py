"""Finds personal data and planted canaries in examples and files, without repeating what it finds."""
