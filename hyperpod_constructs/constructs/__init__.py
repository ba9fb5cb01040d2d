"""The CDK constructs. Each projects a part of the spec into CloudFormation resources."""
