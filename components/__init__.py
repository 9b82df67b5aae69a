"""What runs inside a step: one flat folder per lifecycle stage, all built alike."""
