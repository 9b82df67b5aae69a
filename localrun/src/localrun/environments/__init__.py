"""What stands for an image on this machine: a folder and an interpreter, or a container."""
