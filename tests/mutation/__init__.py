"""Plants one fault after the other in the code of gates, and counts those that no test finds."""
