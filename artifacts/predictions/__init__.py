"""The predictions of a model on serialized tf.Examples, its labels, and raw rows with predictions for parity checks."""
