"""Model registry, endpoint and metadata: a Protocol each, with one file per place that offers it."""
