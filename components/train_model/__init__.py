"""Trains the user's Keras model, or runs a TFX `run_fn`, and exports a SavedModel that includes the transform."""
