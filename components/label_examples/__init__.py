"""Labels examples by labeling functions, and writes probabilistic labels for training; gold labels stay as they are."""
