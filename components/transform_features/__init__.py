"""Analyzes the training data once and writes the graph that transforms features, the same in training and in serving."""
