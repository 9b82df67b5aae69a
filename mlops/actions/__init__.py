"""What a verb does that is more than words: release by hand, predict a file, copy spans, propose a schema, start a use case."""
