"""Day-2 operations: clusters, stacks, jobs, nodes and contexts of an account.

Each module is imported by the command that uses it; boto3 and the Kubernetes client are imported only here and only
then.
"""
