"""Searches hyperparameters on the spans before the last, and asks the last whether the best of them surely helps."""
