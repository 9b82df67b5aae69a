"""The online process: TensorFlow Serving's REST surface over the model registry. Only `savedmodel` imports TensorFlow."""
