#!/usr/bin/env bash
# Runs the test files that use nginx or Chromium as on a machine that has neither: they must say what
# they skip, and pass. Needs `npm run build` first.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/bin"
IFS=: read -ra path <<<"$PATH"
for one in "${path[@]}"; do cp --symbolic-link --no-clobber "$one"/* "$folder/bin" 2>/dev/null || true; done
rm -f "$folder"/bin/{nginx,chromium*}

mapfile -t files < <(grep -rlE 'support/(nginx|browser)\.js' --include='*.e2e-spec.ts' test web/test)
PATH="$folder/bin" npm run --silent test:only -- "${files[@]}" 2>&1 | tee "$folder/log"
for missing in nginx chromium; do
  grep -q "^SKIPPED: .*PATH has no $missing" "$folder/log" ||
    { echo "Nothing says that the tests which need $missing were skipped."; exit 1; }
done
