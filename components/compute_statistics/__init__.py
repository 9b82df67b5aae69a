"""Computes TFDV's statistics of every split and of the newest two spans, and draws a histogram per feature."""
