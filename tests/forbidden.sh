#!/bin/sh
# SPDX-License-Identifier: MIT
# What the library never calls, read from the objects themselves: what ends a process,
# prints unasked or overruns a buffer; and outside lib/base time and the environment.
set -u
src=${srcdir:-$(dirname "$0")/..}
. "$src/tests/support/report.sh"

anywhere='abort|_?exit|_Exit|quick_exit|atoi|atol|atoll|strcpy|strcat|stpcpy|gets'
anywhere="$anywhere|v?sprintf|v?printf|puts|putchar|perror|system|rand|srand|setenv"
anywhere="$anywhere|signal|sigaction"
above_base='clock_gettime|gettimeofday|time|sleep|usleep|nanosleep|clock_nanosleep'
above_base="$above_base|getenv|secure_getenv"

# calls NAMES OBJECT...: which of the functions the objects call, one a line.
calls()
{
    names=$1
    shift
    nm -A -u "$@" | sed -E 's/@.*//; s/ (__)?([a-z_A-Z]+)_chk$/ \2/' |
        grep -E " U (__)?($names)\$"
}

objects()
{
    find lib -path "$1" -name '*.o'
}

all=$(objects '*/.libs/*')
above=$(objects '*/.libs/*' | grep -v '^lib/base/')
if [ -z "$all" ] || [ -z "$above" ]; then
    fail "no objects below lib/; run from the build directory"
    report
    exit 1
fi
# Splitting is meant: names of objects hold no blanks.
# shellcheck disable=SC2086
expect_none "forbidden in the library" "$(calls "$anywhere" $all)"
# shellcheck disable=SC2086
expect_none "forbidden outside lib/base" "$(calls "$above_base" $above)"

planted=$(mktemp -d) || exit 1
trap 'rm -rf "$planted"' EXIT
printf '#include <stdlib.h>\nvoid f(void);\nvoid f(void) { if (getenv("X")) abort(); }\n' \
    >"$planted/f.c"
${CC:-cc} -c -o "$planted/f.o" "$planted/f.c"
expect_some "a planted abort is not found" "$(calls "$anywhere" "$planted/f.o")"
expect_some "a planted getenv is not found" "$(calls "$above_base" "$planted/f.o")"
report
