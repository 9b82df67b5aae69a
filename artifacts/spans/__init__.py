"""Spans: source files, found by their pattern, pinned by digest and parsed strictly."""
