"""Ports of private code of TensorFlow Transform and TensorFlow Model Analysis, tested against the originals."""
