"""Names and tags of a platform's stacks, for the app that creates them and the commands that find them."""

PLATFORM_TAG = "hyperpod-constructs:platform"
"""Tag of every stack of this library and of its resources; the value is the name of the platform."""

DEPLOY_ORDER = ("Network", "Eks", "HyperPod", "Addons", "Jobs")
"""Suffixes of the names of a platform's stacks, in the order of deployment."""
