"""What a run is in any world: its submission, its tasks and artifacts, its events, and where it is kept."""
