"""Whether what runs in the cluster is ready, why not, and what is kept of a failure."""
