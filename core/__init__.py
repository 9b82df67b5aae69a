"""The floor: what two rooms need, and nothing that knows a stage or a use case."""
