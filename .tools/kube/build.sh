#!/usr/bin/env bash
# Builds the control plane that tests make real objects with into a cache
# folder, once for the versions that go.mod pins. KUBE_BIN names another folder.
set -euo pipefail
cd "$(dirname "$0")"

go=${GO:-go}
kubernetes=$("$go" list -m -f '{{.Version}}' k8s.io/kubernetes)
into=${KUBE_BIN:-${XDG_CACHE_HOME:-$HOME/.cache}/syncer/kube-$kubernetes}
commands=(
  k8s.io/kubernetes/cmd/kube-apiserver
  k8s.io/kubernetes/cmd/kube-controller-manager
  k8s.io/kubernetes/cmd/kube-scheduler
  sigs.k8s.io/kwok/cmd/kwok
)

# Written last: a folder with it is complete, and holds what it pins.
stamp=$into/go.mod
if cmp -s go.mod "$stamp"; then
  echo "$into holds the control plane of $kubernetes"
  exit
fi

echo "building the control plane of $kubernetes into $into"
echo 'the first build takes 10 to 15 minutes on two cores'
mkdir -p "$into/stages"
rm -f "$stamp"
number=${kubernetes#v}
linked="-X k8s.io/component-base/version.gitVersion=$kubernetes
  -X k8s.io/component-base/version.gitMajor=${number%%.*}
  -X k8s.io/component-base/version.gitMinor=$(cut -d . -f 2 <<<"$number")"
for command in "${commands[@]}"; do
  name=${command##*/}
  echo "  $name"
  "$go" build -trimpath -ldflags "$linked" -o "$into/$name" "$command"
done

# How kwok plays nodes and pods.
stages=$("$go" list -m -f '{{.Dir}}' sigs.k8s.io/kwok)/kustomize/stage
for stage in node/fast/node-initialize pod/fast/pod-ready pod/fast/pod-complete pod/fast/pod-delete; do
  install -m 644 "$stages/$stage.yaml" "$into/stages/"
done
install -m 644 go.mod "$stamp"
echo "done in $SECONDS s"
