"""Training in several processes, on one or several machines: each reads a part of the rows, all have one model."""
