#!/bin/sh
# SPDX-License-Identifier: MIT
# Every fuzz target survives its own corpus.
set -u
src=${srcdir:-$(dirname "$0")/../..}
. "$src/tests/support/report.sh"

for source in "$src"/tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    if output=$("tests/fuzz/$name" "$src/tests/fuzz/corpus/${name#fuzz_}" 2>&1); then
        pass
        echo "$name: $output"
    else
        fail "$name: $output"
    fi
done
report
