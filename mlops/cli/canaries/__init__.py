"""Canaries on the command line: their options, what they do, and how they are shown."""
