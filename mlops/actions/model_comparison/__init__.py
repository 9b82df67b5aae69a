"""Compares two models on the same rows: quality, slices, size, latency, differences between groups."""
