"""This project's images in the local Docker: built, measured, pushed."""
