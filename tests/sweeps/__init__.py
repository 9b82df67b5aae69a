"""Sweeps over more cases than a test run has time for; each is a command."""
