"""Drills of a score: each uses a mechanism of this project on copies, in a moment, and says what it did."""
