"""A snapshot: which bytes of files that keep growing a run reads; its content is its name."""
