#!/bin/sh
# SPDX-License-Identifier: MIT
# Every pointer that a public function takes is once NULL in some test: what the headers
# declare and the tests' WITHOUT lines are one list.
set -u
src=${srcdir:-$(dirname "$0")/..}
. "$src/tests/support/report.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# pointers: "function argument", of preprocessed declarations on standard input.
pointers()
{
    tr '\n;' ' \n' |
        sed -n 's/.*visibility("default").*[ *]\(keel_[a-z0-9_]*\) *(\(.*\)).*/\1,\2/p' |
        awk -F, '{
            for (i = 2; i <= NF; i++)
                if ($i ~ /[*[]/) { sub(/\[.*/, "", $i); sub(/.*[ *]/, "", $i); print $1, $i }
        }' | sort
}

# rows FOLDER: the same, of WITHOUT lines, those that a macro stands for too: they are
# there once all other macros are gone.
rows()
{
    grep -rl --include='t_*.c' 'support/without\.h' "$1" | while read -r file; do
        ${CC:-cc} -E -P -D_GNU_SOURCE -DKEEL_TESTS_SUPPORT_WITHOUT_H -I"$src/include" \
            -I"$src/lib" -I"$src/tests" "$file"
    done | tr '\n' ' ' | sed 's/WITHOUT(/\n&/g' |
        sed -n 's/^WITHOUT( *\(keel_[a-z0-9_]*\), *\([a-z0-9_]*\),.*/\1 \2/p' | sort
}

printf '#include <keel/%s.h>\n' keel bag_plugin | ${CC:-cc} -E -P -I"$src/include" - | pointers \
    >"$work/declared"
rows "$src/tests" >"$work/tested"

expect_none "never NULL in a test" "$(comm -23 "$work/declared" "$work/tested")"
expect_none "not declared" "$(comm -13 "$work/declared" "$work/tested")"
expect_some "no declaration was found" "$(cat "$work/declared")"

cat >"$work/planted" <<'PLANTED'
__attribute__((visibility("default"))) __attribute__((warn_unused_result)) keel_status
    keel_planted(int number, const char *const *names, keel_run_fn *fn);
PLANTED
expect_some "a planted function is not missed" \
    "$(pointers <"$work/planted" | comm -23 - "$work/tested" |
        grep -x 'keel_planted names')"
expect_some "its second pointer is not missed" \
    "$(pointers <"$work/planted" | grep -x 'keel_planted fn')"
report
