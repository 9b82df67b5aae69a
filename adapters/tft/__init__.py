"""tf.Transform without Beam: its traces, its phases over batches of rows, and what it writes."""
