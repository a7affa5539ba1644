#!/bin/sh
# SPDX-License-Identifier: MIT
# A room of lib/ includes only itself and the rooms before it; and what is in front of
# keel_http's own room, lib/http/client, knows nothing of it.
set -u
src=${srcdir:-$(dirname "$0")/..}
. "$src/tests/support/report.sh"

rooms='base settings board policy call net http share health bag ops'

# includes_from_later DIR: the offending lines of a lib directory.
includes_from_later()
{
    allowed=
    for room in $rooms; do
        allowed=${allowed:+$allowed|}$room
        [ -d "$1/$room" ] || continue
        find "$1/$room" -name '*.[ch]' -exec grep -n '^ *# *include "' /dev/null {} + |
            grep -Ev "include \"($allowed)/"
    done
}

# includes_from_client DIR: the offending lines of a lib directory.
includes_from_client()
{
    grep -n '^ *# *include "http/client/' /dev/null "$1"/http/*.[ch]
}

# A room this script does not know would go unchecked.
unknown_rooms()
{
    for dir in "$1"/*/; do
        room=$(basename "$dir")
        case " $rooms " in *" $room "*) ;; *) echo "$room" ;; esac
    done
}

expect_none "includes from a later room" "$(includes_from_later "$src/lib")"
expect_none "includes from the client's room" "$(includes_from_client "$src/lib")"
expect_none "not in the list of rooms" "$(unknown_rooms "$src/lib")"

planted=$(mktemp -d) || exit 1
trap 'rm -rf "$planted"' EXIT
mkdir "$planted/base" "$planted/http" "$planted/attic"
echo '#include "policy/window.h"' >"$planted/base/clock.c"
echo '#include "http/client/client.h"' >"$planted/http/curl.c"
expect_some "a planted include is not found" "$(includes_from_later "$planted")"
expect_some "a planted include of the client's room is not found" \
    "$(includes_from_client "$planted")"
expect_some "a planted room is not found" "$(unknown_rooms "$planted")"
report
