#!/usr/bin/env bash
# Runs as root after the service's own set-up of a node (lifecycle mode `extension`).
set -euo pipefail
sysctl -w vm.max_map_count=262144
