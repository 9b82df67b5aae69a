"""Watches the model in production: data, predictions, live metrics, age and server, against bounds."""
