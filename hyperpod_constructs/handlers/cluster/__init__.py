"""The function that looks at the live HyperPod cluster before CloudFormation changes it."""
