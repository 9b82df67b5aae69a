"""Names in a transform graph that tf.Transform does not define."""

TRANSFORMED_EXAMPLES = "transformed_examples"
"""Folder of the transformed examples, in the layout of examples; exists if transform_features.materialize is true."""
