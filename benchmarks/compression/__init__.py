"""Compression measured beside tensorflow-model-optimization, in one run."""
