"""Which versions of which models answer: the shelf that is watched, what is loaded, and the mirror of a store."""
