"""New facts for the catalog: from the installed botocore and cfn-lint, and from read-only requests in an account."""
