"""The work of verbs: push by hand, predict, copy spans, propose a schema, new use cases, environments in a cloud."""
