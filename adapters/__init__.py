"""Ports of what TensorFlow Transform and TensorFlow Model Analysis keep private, held equal by tests."""
