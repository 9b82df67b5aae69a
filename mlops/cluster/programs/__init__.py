"""docker, kind and kubectl: whether they are installed, and how they are called."""
