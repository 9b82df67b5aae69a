"""One room per kind of artifact: what it is on disk, how it is read, written and checked."""
