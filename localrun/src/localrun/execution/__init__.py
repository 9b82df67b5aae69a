"""One run from start to end: the scheduler, its attempts, and what came of them."""
