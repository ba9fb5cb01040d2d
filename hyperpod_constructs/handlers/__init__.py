"""Sources of the Lambda functions: each runs, and is tested, on its own, with the libraries of the Lambda runtime only."""
