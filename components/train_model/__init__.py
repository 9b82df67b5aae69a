"""Trains the user's Keras model, or runs their TFX `run_fn`, and exports a SavedModel with the transform inside."""
