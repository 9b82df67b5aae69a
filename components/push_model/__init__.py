"""Publishes a model that passed all required gates, and puts it into production."""
