"""Is an application for a mortgage approved, and is a group of applicants large enough to say that it is fairly?"""
