"""The Helm provider's function: installs, upgrades and uninstalls one Helm release per resource."""
