"""Analyzes the training data once and writes the graph that transforms features in training and in serving."""
