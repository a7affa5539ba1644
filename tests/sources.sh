#!/bin/sh
# SPDX-License-Identifier: MIT
# No file is forgotten: every source and every test is named in Makefile.am, or it would
# neither be built nor be in a release.
set -u
src=${srcdir:-$(dirname "$0")/..}
. "$src/tests/support/report.sh"

# not_listed MAKEFILE: the files on standard input that it does not name, neither as a
# source nor, without the suffix, as a program.
not_listed()
{
    while IFS= read -r file; do
        grep -Eq "(^| )($file|${file%.c})( |\$)" "$1" || echo "$file"
    done
}

files=$(cd "$src" && find include lib plugins tools tests bench man scripts -type f \
    ! -path 'tests/fuzz/corpus/*' ! -name '.*' 2>/dev/null | sort)
expect_some "no files were found" "$files"
expect_none "not in Makefile.am" "$(echo "$files" | not_listed "$src/Makefile.am")"
expect_some "a planted file is not missed" \
    "$(echo lib/base/attic.c | not_listed "$src/Makefile.am")"
report
