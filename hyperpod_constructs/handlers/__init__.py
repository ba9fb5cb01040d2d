"""Sources of our Lambda functions: each runs, and is tested, alone, on the Lambda runtime's own libraries."""
