"""The worlds in which a compiled pipeline runs: how a run is pinned, submitted and followed, and what is kept of it."""
