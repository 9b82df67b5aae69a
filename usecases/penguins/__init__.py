"""Which species is a penguin, by its measures?"""
