"""The ML Test Score of a use case: 28 rows, each with a verdict that follows from evidence."""
