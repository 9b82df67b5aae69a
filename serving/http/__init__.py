"""TensorFlow Serving's REST paths over HTTP: connections with caps and deadlines, and one answer for each request."""
