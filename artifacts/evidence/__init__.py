"""The evidence of a candidate: the gates' decisions in one file, and the requirements of a release."""
