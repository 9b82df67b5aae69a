"""A model behind a Vertex AI endpoint: deployed, tried on a share of the traffic, put into production, rolled back."""
