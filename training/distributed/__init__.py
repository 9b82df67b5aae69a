"""Training in several processes, which may be on several machines: each reads a part of the rows, all have one model."""
