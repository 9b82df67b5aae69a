"""The predictions of a model on many rows, as files: prediction logs, examples and Parquet, with their manifest."""
