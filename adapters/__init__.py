"""Ports of what TensorFlow Transform and TensorFlow Model Analysis keep private, held equal to the originals by tests."""
