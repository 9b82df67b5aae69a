"""The Vertex AI world: submits document 1 of the compiled file that runs on the laptop, and follows the job."""
