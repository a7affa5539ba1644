# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Counting instructions of a program in bench/ that calls path_mark; sourced, run in the
# build directory. Copies without debug information are counted, because valgrind 3.19
# cannot read clang's.

# callgrind_copy DIR PROGRAM: leaves DIR/PROGRAM and the library in DIR.
callgrind_copy()
{
    strip --strip-debug -o "$1/$2" "bench/.libs/$2" &&
        strip --strip-debug -o "$1/libkeel.so.0" .libs/libkeel.so.0
}

# summary_of DIR N: the instructions between the mark before the N-th and the N-th.
summary_of()
{
    sed -n 's/^summary: //p' "$1/dump.$2"
}
