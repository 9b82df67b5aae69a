"""Trials of a search for hyperparameters: one training each, compared on a span that none of them is trained on."""
