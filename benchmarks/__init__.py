"""This project beside its peers: the same rows, the same model, the same steps, whole processes, one after the other."""
