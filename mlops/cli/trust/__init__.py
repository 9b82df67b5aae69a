"""Verbs that say why a model may be trusted: explanations, cards, digests."""
