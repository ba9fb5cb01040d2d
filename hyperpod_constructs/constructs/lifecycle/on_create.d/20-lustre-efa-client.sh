#!/usr/bin/env bash
# Configures the Lustre client for EFA if LUSTRE_EFA_CLIENT is set: runs the setup script of FSx for Lustre, from the
# image or from a package with a known digest. Otherwise, an EFA-enabled file system is used over TCP.
#   LUSTRE_EFA_CLIENT=image           the setup script of the node's image
#   LUSTRE_EFA_CLIENT=https://...     a package, with LUSTRE_EFA_CLIENT_SHA256
set -euo pipefail

client=${LUSTRE_EFA_CLIENT:-}
root=${NODE_ROOT:-} # tests use a folder instead of /

if [[ -z $client ]]; then exit 0; fi
fi_info=$root/opt/amazon/efa/bin/fi_info
if [[ ! -x $fi_info ]] || ! "$fi_info" -p efa >/dev/null 2>&1; then
  echo "Lustre over EFA: this node has no EFA interface; Lustre uses TCP"
  exit 0
fi

if [[ $client == image ]]; then
  setup=$root/etc/eks/configure-efa-fsx-lustre-client/setup.sh
  if [[ ! -x $setup ]]; then
    echo "Lustre over EFA: WARNING: the image has no $setup; Lustre uses TCP. Give the package in lustre_efa_client"
    exit 0
  fi
  "$setup"
else
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  curl --fail --silent --show-error --location --max-time 60 --output "$work/client.zip" "$client"
  echo "$LUSTRE_EFA_CLIENT_SHA256  $work/client.zip" | sha256sum --check --status || {
    echo "Lustre over EFA: the SHA-256 digest of $client is not $LUSTRE_EFA_CLIENT_SHA256"
    exit 1
  }
  unzip -q "$work/client.zip" -d "$work"
  bash "$work/configure-efa-fsx-lustre-client/setup.sh"
fi
echo "Lustre over EFA: configured from $client"
