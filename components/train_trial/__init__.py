"""Trains one point of a search for hyperparameters, and compares it on the span that the search holds back."""
