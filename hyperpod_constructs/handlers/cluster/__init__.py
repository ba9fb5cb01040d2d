"""The function that checks the live HyperPod cluster before CloudFormation changes it."""
