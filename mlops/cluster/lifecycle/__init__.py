"""Brings the cluster up, after checking everything, and takes it down."""
