"""Explains a model's predictions: what matters in all of them, and in those that were most wrong."""
