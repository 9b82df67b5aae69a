"""Analyzes the training data, and writes the graph that transforms features for training and for serving."""
