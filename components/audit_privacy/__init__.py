"""Audits privacy: personal data and canaries in examples, model and reports, k-anonymity, membership inference."""
