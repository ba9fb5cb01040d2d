"""New facts for the catalog: from the installed botocore and cfn-lint, and from read-only calls in an account."""
