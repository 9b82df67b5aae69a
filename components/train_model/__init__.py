"""Trains the user's Keras model, or runs the user's TFX `run_fn`, and exports a SavedModel with the transform inside."""
