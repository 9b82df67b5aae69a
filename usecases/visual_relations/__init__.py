"""How do two things in a picture relate, by their boxes, their kinds and the picture?"""
