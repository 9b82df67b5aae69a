"""Publishes a model whose evidence is complete, and puts it into production."""
