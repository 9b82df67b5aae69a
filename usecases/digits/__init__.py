"""Which digit did a person write, by the picture of it?"""
