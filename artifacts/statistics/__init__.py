"""Statistics of examples, as TensorFlow Data Validation computes them: one file per split, span or serving data."""
