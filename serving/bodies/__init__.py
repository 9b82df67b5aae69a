"""JSON bodies in TensorFlow Serving's forms, read strictly into tensors and written from them; without HTTP."""
