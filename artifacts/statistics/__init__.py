"""TensorFlow Data Validation's statistics of examples: one file per dataset (a split, a span, or serving data)."""
