"""JSON bodies in TensorFlow Serving's formats: strict parsing into tensors, and encoding; without HTTP."""
