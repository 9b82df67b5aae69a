"""Does a person earn more than 50,000 dollars a year, by an answer to the census of 1994?"""
