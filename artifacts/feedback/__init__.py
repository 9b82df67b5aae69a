"""What became known about logged predictions: counts, label delay, live metrics, and labeled rows."""
