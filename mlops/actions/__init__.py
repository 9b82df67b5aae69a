"""What a verb does that is more than words: push by hand, predict a file, copy spans."""
