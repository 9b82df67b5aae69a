"""A trained model: a folder with a SavedModel under `Format-Serving/` and what travels with it."""
