"""`compression.json`: the variants of a compressed model with their sizes, latencies and quality."""
