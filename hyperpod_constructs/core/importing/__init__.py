"""Configs of other tools, and what is deployed, as a config of ours: data, text, and a list of what could not be kept."""
