"""A run as every world records it: its submission, tasks, artifacts and events, and how they are kept."""
