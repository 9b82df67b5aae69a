"""The trained model as training leaves it and a registry publishes it: where its files lie, and which rows it takes."""
