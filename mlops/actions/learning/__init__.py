"""The pages of `docs/days`: read, run, and compared with what they show."""
