"""What is shown of a run: live progress, its page, its pictures."""
