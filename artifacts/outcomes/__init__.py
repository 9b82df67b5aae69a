"""Outcomes: the labels of logged predictions, which become known later, as append-only JSON lines."""
