"""This project's images in the local Docker: building, measuring and pushing them."""
