"""A compiled pipeline: read strictly, checked as a graph, and held as frozen values."""
