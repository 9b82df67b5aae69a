"""Will a flight from New York arrive more than 15 minutes late, asked before it departs?"""
