"""What outlives a process: folders, journal, records as JSON, digests, and removing what is old."""
