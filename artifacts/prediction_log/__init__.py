"""The rows that a server answered, as tf.Examples in a folder for each day."""
