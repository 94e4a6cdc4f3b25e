"""Dreamland's promises, each as a test against real servers."""
