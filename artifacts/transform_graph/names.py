"""Names below a transform graph that tf.Transform does not spell itself."""

TRANSFORMED_EXAMPLES = "transformed_examples"
"""The examples after the transform, laid out as any examples; there when transform_features.materialize is on."""
