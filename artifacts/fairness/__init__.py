"""The fairness of a model: rates of each group with confidence intervals, and the gaps between groups."""
