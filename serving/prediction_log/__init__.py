"""Logs what was answered, for monitoring and for labels that arrive later."""
