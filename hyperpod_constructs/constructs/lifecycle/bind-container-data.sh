#!/usr/bin/env bash
# Bind-mounts the directories of containerd and the kubelet from a volume. Installed by on_create.d/10-container-data.sh,
# and run before either service starts, also after a reboot. Existing mounts are not changed.
set -euo pipefail

volume=$1
root=${NODE_ROOT:-}
mount_seconds=${MOUNT_SECONDS:-60}

for ((second = 0; second < mount_seconds; second++)); do
  if mountpoint -q "$root$volume"; then break; fi
  sleep 1
done
if ! mountpoint -q "$root$volume"; then
  echo "$volume is not mounted after $mount_seconds s; containerd and the kubelet start on the root volume" >&2
  exit 0
fi

for name in containerd kubelet; do
  target=$root/var/lib/$name
  if [[ ! -d $root$volume/$name ]] || mountpoint -q "$target"; then continue; fi
  mount --bind "$root$volume/$name" "$target"
  # A separate peer group: mounts of pods must propagate from here, and must not appear a second time on the volume.
  mount --make-private "$target"
  mount --make-shared "$target"
done
