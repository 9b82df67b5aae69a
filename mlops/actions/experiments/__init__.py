"""What the verbs of experiments share."""
