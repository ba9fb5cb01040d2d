"""Sources of the Lambda functions. Each runs and is tested separately, with only the libraries of the Lambda runtime."""
