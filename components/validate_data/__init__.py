"""The gate on data: holds every split against the curated schema, and the newest span against the one before it."""
