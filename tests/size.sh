#!/bin/sh
# SPDX-License-Identifier: MIT
# The library stays small: at most 640 KiB when stripped, bags and their stores included.
set -u
src=${srcdir:-$(dirname "$0")/..}
. "$src/tests/support/report.sh"
limit=$((640 * 1024))

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
