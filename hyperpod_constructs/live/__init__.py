"""What asks a live account or cluster: pre-flight checks, day-2 operations, the upgrade plan."""
