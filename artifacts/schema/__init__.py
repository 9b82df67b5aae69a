"""The curated schema: read with the places of its parts."""
