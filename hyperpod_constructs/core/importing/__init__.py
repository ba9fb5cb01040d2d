"""Converts configs of other tools, and deployed resources, to a config: data, text, and a list of losses."""
