"""The trained model, as training writes it and a registry publishes it: its files, and the rows that it takes."""
