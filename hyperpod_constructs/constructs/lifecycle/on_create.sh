#!/usr/bin/env bash
# Runs once, as root, on every new node before the node joins the cluster: runs on_create.d/*.sh in the order of their names,
# with the settings of the node's instance group (settings.env). HyperPod uploads only the following log file to
# CloudWatch Logs: log group /aws/sagemaker/Clusters/<cluster name>/<cluster id>, stream
# LifecycleConfig/<instance group>/<instance id>.
set -euo pipefail

log=${ON_CREATE_LOG:-/var/log/provision/provisioning.log}
upload_seconds=${ON_CREATE_UPLOAD_SECONDS:-60}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

mkdir -p "$(dirname "$log")"

say() {
  echo "on_create: $*" | tee -a "$log"
}

# The service terminates an instance as soon as its script fails; the log agent needs time to upload the reason.
on_exit() {
  local code=$?
  if [[ $code -ne 0 ]]; then
    say "failed with exit code $code; waiting $upload_seconds s for the log to be uploaded"
    sync
    sleep "$upload_seconds"
  fi
}
trap on_exit EXIT

say "start on $(hostname)"
if [[ -f $here/settings.env ]]; then
  set -a
  # shellcheck source=/dev/null
  source "$here/settings.env"
  set +a
fi

shopt -s nullglob
for script in "$here"/on_create.d/*.sh; do
  name=$(basename "$script")
  say "run $name"
  code=0
  bash "$script" >>"$log" 2>&1 || code=$?
  if [[ $code -ne 0 ]]; then
    say "$name failed with exit code $code"
    exit 1
  fi
done

say "done"
