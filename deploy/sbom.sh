#!/usr/bin/env bash
# deploy/sbom.sh PYTHON FILE [IMAGE]: the bill of materials of an image, into a file that is whole or
# as it was. Without IMAGE, of what this checkout builds.
set -euo pipefail
cd "$(dirname "$0")/.."
image=${3:-}
[[ -n $image ]] || image=$(docker build --quiet .)
new=$(mktemp "$2.XXXXXX")
trap 'rm -f "$new"' EXIT
"$1" deploy/sbom.py "$image" >"$new"
chmod 644 "$new"
mv "$new" "$2"
echo "$2"
