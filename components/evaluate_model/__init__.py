"""Is the candidate good enough: as a whole, on every slice, against the champion and against the simplest methods?"""
