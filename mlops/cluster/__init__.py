"""The local cluster: what is checked before, how it comes up and goes down, and how to reach what runs in it."""
