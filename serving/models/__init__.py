"""One loaded SavedModel, and its uses: requests, warm-up rows, and the rows of a file."""
