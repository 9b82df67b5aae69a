"""The model registry and the lineage store: a Protocol each, with one file per backend."""
