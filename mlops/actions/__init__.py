"""What a verb does that is more than words: release by hand, predict, ship spans, propose schemas, start a use case."""
