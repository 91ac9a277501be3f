#!/usr/bin/env bash
# The release as it is written by hand: the new image into each Deployment, a look at each one by one, and
# all of them back when one has failed.
#
#   release.sh NAMESPACE IMAGE DEPLOYMENT...
#
# With MANIFESTS, a folder, those are applied instead, with the new image where they say IMAGE.
set -euo pipefail

namespace=$1 image=$2
shift 2
deployments=("$@")

k() { kubectl --namespace "$namespace" "$@"; }

put_back() { # DEPLOYMENT: the one that failed
  echo "FAILED: deployment/$1 did not become ready, rolling back"
  k get pods || true
  k get events --sort-by=.lastTimestamp | tail -n 15 || true
  k logs --selector "app=$1" --all-containers --prefix --tail=20 || true
  local name
  for name in "${deployments[@]}"; do
    k rollout undo "deployment/$name"
  done
  for name in "${deployments[@]}"; do
    k rollout status "deployment/$name" --timeout=120s
  done
  exit 1
}

if [[ -n "${MANIFESTS:-}" ]]; then
  cat "$MANIFESTS"/* | sed "s|IMAGE|$image|g" | k apply -f -
else
  for name in "${deployments[@]}"; do
    k set image "deployment/$name" "$name=$image"
  done
fi

for name in "${deployments[@]}"; do
  k rollout status "deployment/$name" --timeout=120s || put_back "$name"
done
echo "Released $image"
