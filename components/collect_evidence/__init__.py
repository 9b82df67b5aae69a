"""Collects the gates' decisions about a model as its evidence, which a release requires."""
