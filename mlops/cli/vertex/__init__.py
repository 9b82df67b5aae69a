"""The verbs for what runs on Vertex AI alone: its endpoints, and the mirror in its Model Registry."""
