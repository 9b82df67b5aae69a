"""Labels that people and processes give rows by their key: append-only files, their reader, and the row key."""
