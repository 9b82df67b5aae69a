"""Trains a small model on the predictions of a better one, and passes it on if it gains over the labels alone."""
