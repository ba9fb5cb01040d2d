"""The CDK constructs. Each one turns a part of the spec into CloudFormation resources."""
