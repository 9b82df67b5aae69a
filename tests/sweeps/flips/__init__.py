"""Flipped bits and cut files: each is found before the file is used, and the error names the file."""
