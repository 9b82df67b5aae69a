"""Writes the model card and the data card from artifacts and the scope, and checks what the risk class needs."""
