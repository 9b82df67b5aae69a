"""The verbs about this machine: its local cluster, its images, and whether it has what the others need."""
