"""The fairness gate: rates per group at several thresholds, gaps between groups, and what swapping a group changes."""
