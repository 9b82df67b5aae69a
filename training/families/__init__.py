"""Families of models over transformed features that need no code of a use case, each exported as a SavedModel."""
