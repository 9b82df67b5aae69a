"""Days 27 and 28: can the exported model really serve? A separate server process answers real raw requests before anything is pushed."""
