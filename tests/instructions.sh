#!/bin/sh
# SPDX-License-Identifier: MIT
# What a call costs in instructions, exactly and on any machine: callgrind counts them for
# every way in bench/paths. More than three per cent above the count that is stored for
# this compiler (bench/counts) is a failure; a compiler without stored counts, or other
# flags than the default ones, is only shown. Instructions know nothing of clocks, caches
# and other threads: for these there is `make bench`.
#
# `make bench-counts` stores those of this build.
set -u
src=${srcdir:-$(dirname "$0")/..}
. "$src/tests/support/report.sh"
. "$src/tests/support/callgrind.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# gcc-12.2.0, clang-14.0.6
compiler()
{
    ${CC:-cc} -dM -E - </dev/null | awk '
        /__clang_major__|__clang_minor__|__clang_patchlevel__/ { clang[$2] = $3 }
        /__GNUC__|__GNUC_MINOR__|__GNUC_PATCHLEVEL__/ { gnu[$2] = $3 }
        END {
            if ("__clang_major__" in clang)
                print "clang-" clang["__clang_major__"] "." clang["__clang_minor__"] \
                    "." clang["__clang_patchlevel__"]
            else
                print "gcc-" gnu["__GNUC__"] "." gnu["__GNUC_MINOR__"] \
                    "." gnu["__GNUC_PATCHLEVEL__"]
        }'
}

# A name and its instructions a call, one way a line. bench/paths goes each way in two
# loops, 1000 and 3000 rounds, and calls path_mark before, between and after.
counts()
{
    callgrind_copy "$work" paths &&
        LD_LIBRARY_PATH=$work valgrind --tool=callgrind --dump-before=path_mark \
            --callgrind-out-file="$work/dump" "$work/paths" - >"$work/log" 2>&1 ||
        return 1
    part=0
    bench/paths | while read -r name; do
        short=$(summary_of "$work" $((part + 2)))
        long=$(summary_of "$work" $((part + 3)))
        echo "$name $(((long - short) / 2000))"
        part=$((part + 3))
    done
}

# dearer STORED COUNTED: the ways that cost more than three per cent above their count.
dearer()
{
    awk 'FILENAME == ARGV[1] { stored[$1] = $2; next }
        $1 in stored && $2 > stored[$1] * 1.03 {
            printf "%s: %d instructions, %d are stored\n", $1, $2, stored[$1]
        }' "$1" "$2"
}

# unstored STORED COUNTED: the ways that have no stored count.
unstored()
{
    awk 'FILENAME == ARGV[1] { stored[$1] = 1; next } !($1 in stored) { print $1 }' \
        "$1" "$2"
}

# not_alike A B COUNTED: two ways that must cost the same, to five per cent.
not_alike()
{
    awk -v a="$1" -v b="$2" '{ count[$1] = $2 }
        END {
            if (!count[a] || !count[b] || count[b] > 1.05 * count[a])
                printf "%s: %d, %s: %d\n", a, count[a], b, count[b]
        }' "$3"
}

if ! command -v valgrind >/dev/null; then
    echo "no valgrind"
    exit 77
fi
if ! counts >"$work/counted"; then
    cat "$work/log"
    fail "bench/paths does not run under callgrind"
    report
    exit
fi
cat "$work/counted"
stored=$src/bench/counts/$(compiler)
if [ "${1-}" = --store ]; then
    cp "$work/counted" "$stored"
    exit
fi

# The window has no loop that a call could meet, after whatever pause.
for way in closed idle-bucket idle-half idle-long; do
    expect_none "the window's size is felt" \
        "$(not_alike "$way-10-buckets" "$way-1000-buckets" "$work/counted")"
done

if [ ! -f "$stored" ]; then
    skip "no counts are stored for $(compiler)"
elif [ "${CFLAGS--g -O2}" != '-g -O2' ]; then
    skip "the stored counts are for other flags than $CFLAGS"
else
    expect_none "more instructions than before" "$(dearer "$stored" "$work/counted")"
    expect_none "no stored count (make bench-counts)" "$(unstored "$stored" "$work/counted")"
fi

# What is planted must be found.
awk '{ print $1, int($2 * 1.04) + 1 }' "$work/counted" >"$work/planted"
expect_some "four per cent more go unseen" "$(dearer "$work/counted" "$work/planted")"
printf 'ten 100\nthousand 106\n' >"$work/loop"
expect_some "a loop over the window goes unseen" "$(not_alike ten thousand "$work/loop")"
report
