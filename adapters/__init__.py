"""Ports of private code of TFX's libraries, tested against the originals, and processes beside that of a stage."""
