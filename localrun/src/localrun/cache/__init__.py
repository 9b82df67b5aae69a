"""When a result is used again: the key it is kept under, and who computes a key that is missing."""
