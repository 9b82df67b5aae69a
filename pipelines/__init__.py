"""How steps are wired: the use case's configuration and one short file per pipeline."""
