"""Labels without people: labeling functions, their votes, and the models that combine votes to probabilities."""
