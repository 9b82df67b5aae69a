"""Measurements of a score that take time: they are made once for a model, and kept in the store."""
