"""Kubernetes upgrades: the calendar, the matrix of add-ons, and the plan."""
