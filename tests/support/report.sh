# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Counting for the checks written in shell; sourced. A check ends with `report`, whose
# last line scripts/check adds up. Checking nothing is a failure.
passed=0 failed=0 skipped=0

pass()
{
    passed=$((passed + 1))
}

fail()
{
    failed=$((failed + 1))
    printf 'FAIL: %s\n' "$*"
}

skip()
{
    skipped=$((skipped + 1))
    printf 'skipped: %s\n' "$*"
}

# expect_none SENTENCE LINES: one passed check, or one failed for each line.
expect_none()
{
    [ -n "$2" ] || { pass; return; }
    while IFS= read -r line; do
        fail "$1: $line"
    done <<LINES
$2
LINES
}

# expect_some SENTENCE LINES: a planted mistake must be found, or the check is blind.
expect_some()
{
    if [ -n "$2" ]; then pass; else fail "$1"; fi
}

report()
{
    [ $((passed + failed + skipped)) -gt 0 ] || fail "nothing was checked"
    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    [ "$failed" -eq 0 ]
}
