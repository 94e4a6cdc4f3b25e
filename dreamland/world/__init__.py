"""Dreamland in several regions: cells with books of their own, and a centre that knows no person."""
