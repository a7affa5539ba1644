#!/bin/sh
# SPDX-License-Identifier: MIT
# Three lists that must be one: what the built library exports, what lib/keel.map
# names, and what the public headers mark KEEL_API. The tool has a keel of its own inside
# and shows plugins the same.
set -u
src=${srcdir:-$(dirname "$0")/..}
. "$src/tests/support/report.sh"
library=.libs/libkeel.so

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
    sort >"$work/exported"
nm -D --defined-only keel | awk '{ print $3 }' | sort >"$work/shown"
sed -n 's/^ *\(keel_[a-z0-9_]*\);$/\1/p' "$src/lib/keel.map" >"$work/map_order"
sort "$work/map_order" >"$work/map"
# Preprocessed, so that macros and comments cannot mislead; one declaration a line.
printf '#include <keel/%s.h>\n' keel bag_plugin | ${CC:-cc} -E -P -I"$src/include" - | tr '\n;' ' \n' |
    sed -n 's/.*visibility("default").*[ *]\(keel_[a-z0-9_]*\) *(.*/\1/p' |
    sort >"$work/declared"

expect_none "exported, not in lib/keel.map" "$(comm -23 "$work/exported" "$work/map")"
expect_none "in lib/keel.map, not exported" "$(comm -13 "$work/exported" "$work/map")"
expect_none "in lib/keel.map, not shown by the tool" "$(comm -13 "$work/shown" "$work/map")"
expect_none "declared, not in lib/keel.map" "$(comm -23 "$work/declared" "$work/map")"
expect_none "in lib/keel.map, not declared" "$(comm -13 "$work/declared" "$work/map")"
expect_none "twice in lib/keel.map" "$(uniq -d "$work/map")"
expect_none "lib/keel.map is not sorted" "$(LC_ALL=C sort -c "$work/map_order" 2>&1)"
for list in exported map declared; do
    expect_some "no name was found: $list" "$(cat "$work/$list")"
done
report
