"""Deletes the rows of one key: from spans, label and outcome files, and the prediction log."""
