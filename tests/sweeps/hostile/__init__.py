"""Bodies, requests and clients that mean harm to the model server, or know no better."""
