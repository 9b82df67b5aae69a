"""Which versions of which models answer: the watched shelf, the loaded versions, the mirror of a remote registry."""
