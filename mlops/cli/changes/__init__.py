"""Verbs that say what a change does: compiled pipelines before and after it, and the comment on a pull request."""
