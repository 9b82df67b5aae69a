"""What runs the steps of a laptop: warm workers, or containers."""
