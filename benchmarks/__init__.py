"""This program beside its peer: the same rows, the same model, the same steps, whole processes, in turns."""
