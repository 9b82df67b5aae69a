"""The model card and the data card: one document, traced to artifacts, and the forms that others read."""
