"""The kind cluster itself, and the images on its nodes."""
