"""A first folder of a use case, made from a file of rows: it runs as it is, and says what a person has to review."""
