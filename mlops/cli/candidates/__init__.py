"""Verbs that make another candidate of a trained model, or look for a better one."""
