"""How many minutes will a flight from New York be in the air, asked before it departs?"""
