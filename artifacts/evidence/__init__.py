"""What the gates decided about a candidate: named decisions in one file, and what a release requires of them."""
