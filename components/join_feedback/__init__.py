"""Joins outcomes, which arrive later, to logged predictions: label delay, live metrics, labeled spans."""
