"""Wires stages to pipelines: a use case's configuration, and one short file per pipeline."""
