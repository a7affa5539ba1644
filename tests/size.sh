#!/bin/sh
# SPDX-License-Identifier: MIT
# The library stays small: at most 1 MiB when stripped, bags with their stores, the HTTP
# client and health checks included.
set -u
src=${srcdir:-$(dirname "$0")/..}
. "$src/tests/support/report.sh"
limit=$((1024 * 1024))

stripped=$(mktemp) || exit 1
trap 'rm -f "$stripped"' EXIT
if ! strip -o "$stripped" .libs/libkeel.so; then
    fail "no library to measure"
else
    size=$(wc -c <"$stripped")
    echo "libkeel.so, stripped: $size bytes of at most $limit"
    if [ "$size" -le "$limit" ]; then pass; else fail "too large"; fi
fi
report
