"""Kubernetes upgrades: the calendar, the add-on matrix, and the plan."""
