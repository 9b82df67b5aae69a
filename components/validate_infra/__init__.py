"""The serving gate: checks that a separate server process answers real raw requests with the exported model."""
