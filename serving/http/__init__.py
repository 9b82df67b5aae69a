"""TensorFlow Serving's REST API over HTTP, with caps and deadlines for connections and requests."""
