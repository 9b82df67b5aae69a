"""What a search of hyperparameters tried, and what it chose."""
