"""The model server measured beside the servers that people write by hand, under the same load."""
