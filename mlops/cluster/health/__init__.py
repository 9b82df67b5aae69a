"""Checks whether the cluster's workloads are ready, explains why not, and keeps a diagnosis of a failure."""
