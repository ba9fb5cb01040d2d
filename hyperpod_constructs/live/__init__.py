"""Code that sends requests to an account or cluster: preflight checks, day-2 operations, the upgrade plan."""
