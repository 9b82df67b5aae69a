"""Explanations of predictions: Shapley values, the parts of texts and images, background rows, and their file."""
