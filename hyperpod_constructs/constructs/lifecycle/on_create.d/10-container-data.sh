#!/usr/bin/env bash
# Stores the data of containerd and the kubelet (images, container layers, emptyDir volumes) on the volume in
# CONTAINER_DATA instead of the root volume, whose size cannot be configured.
#
# Both directories are bind-mounted, so no configuration file is changed: on Amazon Linux 2023, nodeadm writes
# containerd's configuration after this script has run. A systemd override of both services mounts them at every boot.
set -euo pipefail

volume=${CONTAINER_DATA:-}
root=${NODE_ROOT:-} # tests use a folder instead of /
mount_seconds=${MOUNT_SECONDS:-60}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
binder=/usr/local/sbin/hyperpod-bind-container-data

if [[ -z $volume ]]; then
  echo "container data: on the root volume"
  exit 0
fi

for ((second = 0; second < mount_seconds; second++)); do
  if mountpoint -q "$root$volume"; then break; fi
  sleep 1
done
if ! mountpoint -q "$root$volume"; then
  echo "container data: WARNING: $volume is not mounted after $mount_seconds s; the data stays on the root volume"
  exit 0
fi

running=
for unit in kubelet containerd; do
  if systemctl is-active --quiet "$unit"; then
    systemctl stop "$unit"
    running="$unit $running"
  fi
done

for name in containerd kubelet; do
  # A software update of the node keeps this volume, and another release of containerd cannot read the previous data.
  rm -rf --one-file-system "$root$volume/${name:?}"
  mkdir -p "$root/var/lib/$name"
  cp -a "$root/var/lib/$name" "$root$volume/$name" # contains the pause image of the AMI
done

install -D -m 0755 "$here/../bind-container-data.sh" "$root$binder"
for unit in containerd kubelet; do
  mkdir -p "$root/etc/systemd/system/$unit.service.d"
  printf '[Service]\nExecStartPre=%s %s\n' "$binder" "$volume" \
    >"$root/etc/systemd/system/$unit.service.d/10-container-data.conf"
done
systemctl daemon-reload
"$root$binder" "$volume"

for unit in $running; do
  systemctl start "$unit"
done
echo "container data: on $volume"
