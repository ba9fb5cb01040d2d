"""Converts configs of other tools and deployed resources to a config, with a list of values that could not be imported."""
