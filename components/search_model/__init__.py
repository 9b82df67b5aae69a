"""Compares families of models on the last span of the training window, and passes on the simplest of the best."""
