"""System checks for what settings cannot express."""
