"""TensorFlow Serving's gRPC services, over the versions and threads that answer HTTP."""
