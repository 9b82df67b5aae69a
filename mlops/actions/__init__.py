"""What a verb does beyond printing: release by hand, predict, ship spans, propose schemas, start a use case."""
