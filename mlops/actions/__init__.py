"""The work of verbs: push by hand, predict, copy spans, propose a schema, write a new use case, list runs."""
