#!/usr/bin/env bash
# What a release is worth: the same bytes twice, and a drain from it where there is no checkout.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
version=$(sed -n 's/^VERSION = "\(.*\)"/\1/p' "$root/functions/stepdrain/__init__.py")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for build in first second; do
  make --silent -C "$root" release VERSION="$version" ARGS="--trial --out $scratch/$build" 2>"$scratch/log" ||
    { cat "$scratch/log" >&2; exit 1; }
done
diff -r "$scratch/first" "$scratch/second"
cd "$scratch/first" && sha256sum --check --quiet SHA256SUMS
echo "The same bytes twice: $(wc -l <SHA256SUMS) files"

"${PYTHON:-python3}" -m venv "$scratch/venv"
"$root/.venv/bin/uv" pip install --quiet --python "$scratch/venv/bin/python" "stepdrain[sandbox] @ file://$scratch/first/stepdrain-$version-py3-none-any.whl"
"${PYTHON:-python3}" -m zipfile -e "stepdrain-$version.zip" "$scratch/application"
mkdir "$scratch/elsewhere" && cd "$scratch/elsewhere"
"$scratch/venv/bin/stepdrain" --version
"$scratch/venv/bin/python" -m stepdrain_sandbox.demo --release "$scratch/application" >"$scratch/demo" ||
  { cat "$scratch/demo" >&2; exit 1; }
grep "CompleteLifecycleAction" "$scratch/demo"
rm "$scratch"/application/layer-*.zip
if "$scratch/venv/bin/python" -m stepdrain_sandbox.demo --release "$scratch/application" >"$scratch/demo" 2>&1; then
  echo "A release without its layer was deployed." >&2
  exit 1
fi
grep "unpack the whole release there" "$scratch/demo"
