"""Bringing the cluster up and taking it away, after everything was checked."""
