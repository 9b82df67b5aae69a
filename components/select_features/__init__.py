"""Compares methods that select features, inside folds of the train split, and proposes the schema without the rest."""
