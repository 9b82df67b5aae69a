"""The verb that walks the thirty days."""
