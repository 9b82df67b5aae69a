"""`mlops serve`: the verb, its settings, and the server as Vertex AI runs it."""
