"""`mlops release`: its verbs, and how releases are shown."""
