"""Describes every split and the newest two spans with TensorFlow Data Validation's statistics, with a picture per feature."""
