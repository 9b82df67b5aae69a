"""The processes of a server: forked, watched, replaced when they die, and ended together."""
