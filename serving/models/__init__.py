"""One loaded SavedModel: asked by a request, by its warm-up rows, or by the rows of a file."""
