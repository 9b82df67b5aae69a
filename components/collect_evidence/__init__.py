"""Collects what the gates decided about a model, so that a release can be held to all of it."""
