"""What a model says of serialized tf.Examples, and the raw rows that are kept with its answers."""
