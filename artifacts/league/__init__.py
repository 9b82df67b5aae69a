"""The table of a search over families of models."""
