"""Puts a model that has passed every gate into production, whole or not at all."""
