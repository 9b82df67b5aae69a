"""Checks before a push that a separate server process answers real raw requests with the exported model."""
