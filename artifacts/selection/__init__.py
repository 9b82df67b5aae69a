"""The selection of features: what each method chose, and what a feature gives and costs."""
