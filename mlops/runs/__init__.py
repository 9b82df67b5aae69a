"""What a run is, whichever world it ran in: its submission, its tasks and artifacts, its events, and where it is kept."""
