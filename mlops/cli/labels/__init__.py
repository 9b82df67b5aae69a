"""`mlops label`: rows that people label."""
