"""Creates a release: one record of what was built and of the model that passed, with its evidence."""
