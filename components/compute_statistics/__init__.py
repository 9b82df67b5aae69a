"""Describes every split and the newest two spans with TFDV's statistics, with a picture per feature."""
