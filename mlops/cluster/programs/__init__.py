"""Calls docker, kind and kubectl, and checks that they are installed."""
