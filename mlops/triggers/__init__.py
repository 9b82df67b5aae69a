"""Facts that start runs: CloudEvents in, one decision for each, and a journal that says why a run started or did not."""
