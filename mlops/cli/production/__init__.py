"""Verbs about what is in production: what it was asked and answered, and how that compares with its training."""
