"""Hyperparameters as a module of a use case reads them, in the form of this project or of KerasTuner."""
