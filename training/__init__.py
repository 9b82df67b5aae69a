"""What stages that make a model share: one loop, the rows that it is fitted to, and the export of what it made."""
