"""How far a run has come: which tasks are ready, what goes into them, what a group gives."""
