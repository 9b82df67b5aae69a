"""What clients of the model server see while versions change."""
