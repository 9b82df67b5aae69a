"""Facts that start runs: CloudEvents in, one decision each, and a journal that says why a run started or not."""
