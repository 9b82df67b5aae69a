"""Spans: the files that people deliver, found by their pattern, pinned by digest and read strictly."""
