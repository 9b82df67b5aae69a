"""Trains a model again so that a rate differs less between groups; what goes on is one plain model either way."""
