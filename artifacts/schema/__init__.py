"""The curated schema, with the lines of its features."""
