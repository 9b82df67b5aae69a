"""Bring your own: one folder per use case, no edit anywhere else."""
