"""TensorFlow Serving's own binary as the engine: its command line, its list of models, and its health."""
