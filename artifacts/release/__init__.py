"""A release: one record by digest, the environments that point to it, and what each of them demands."""
