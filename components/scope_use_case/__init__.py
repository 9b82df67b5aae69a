"""Day 9: is this use case worth building, and said precisely enough to be judged? Asked before anything is spent."""
