"""Day-2 operations: clusters, stacks, jobs, nodes and contexts of an account.

A command imports only the module that it uses, and boto3 or the Kubernetes client with it.
"""
