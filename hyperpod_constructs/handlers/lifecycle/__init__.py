"""The function that copies lifecycle scripts into their bucket."""
