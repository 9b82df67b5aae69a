"""What several rooms share; nothing here knows a stage or a use case."""
