#!/usr/bin/env bash
# Runs once as root on every new node, before it joins the cluster. HyperPod's image is complete as it is: this script
# only keeps a log and runs what was put beside it, as on_create.d/*.sh in the order of their names. A failing script
# fails the node, and the log says which one.
set -euo pipefail

log=${ON_CREATE_LOG:-/var/log/provision/on_create.log}
mkdir -p "$(dirname "$log")"
exec > >(tee -a "$log") 2>&1

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
echo "on_create: start on $(hostname)"

shopt -s nullglob
for script in "$here"/on_create.d/*.sh; do
  echo "on_create: run $(basename "$script")"
  if ! bash "$script"; then
    echo "on_create: $(basename "$script") failed" >&2
    exit 1
  fi
done

echo "on_create: done"
