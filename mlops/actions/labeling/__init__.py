"""Labels rows with people: what to label next, labeling tools, and a page to label in."""
