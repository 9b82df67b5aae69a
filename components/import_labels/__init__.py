"""Imports the labels of people and processes: aggregation, agreement, gold questions, delays; a gate on all of them."""
