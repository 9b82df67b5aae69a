"""Predicts all rows of some examples with one model version, and writes the predictions in the forms that TFX has."""
