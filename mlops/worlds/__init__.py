"""Where a compiled pipeline runs: what it is pinned to, who runs it, and what the run leaves behind."""
