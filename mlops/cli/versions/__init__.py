"""What `mlops models` prints."""
