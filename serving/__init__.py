"""The online server: TensorFlow Serving's REST API over the model registry. Only `savedmodel` imports TensorFlow."""
