"""A year in production, replayed: flights as requests, labels a week later, and what starts a training by itself."""
