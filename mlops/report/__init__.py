"""One self-contained page per run: the verdict first, then why."""
