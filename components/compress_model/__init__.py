"""Compresses a trained model: quantization and pruning, as a SavedModel for servers and a TFLite file for devices."""
