"""What the stacks of a platform are called and tagged, for the app that makes them and the commands that find them."""

PLATFORM_TAG = "hyperpod-constructs:platform"
"""Tag of every stack of ours and of what is in it; its value is the name of the platform."""

DEPLOY_ORDER = ("Network", "Eks", "HyperPod", "Addons", "Jobs")
"""Ends of the names of a platform's stacks, in the order in which they are deployed."""
