"""Stages that make models beside their peers, and the tables of the pages that describe them."""
