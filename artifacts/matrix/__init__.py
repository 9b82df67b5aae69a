"""The raw features of examples as the columns of a linear model."""
