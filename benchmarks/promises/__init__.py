"""What `make bench` has promised: the goals, the table beside them, and the picture."""
