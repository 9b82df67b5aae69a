"""The command line: one file per group of verbs, each says in its help what it does."""
