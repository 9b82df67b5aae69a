"""What an auditor gets of a run, and checks: digests from the served model back to data, code and decisions."""
