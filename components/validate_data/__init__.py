"""The data gate: validates every split against the curated schema, and compares the newest span with the one before."""
