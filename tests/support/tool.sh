# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Asking the keel command as an operator does, and what it has to answer; sourced behind
# report.sh by checks of its subcommands that run in the build directory.
keel=./keel
[ -x "$keel" ] || { fail "no $keel here"; report; exit 1; }

# expect CODE WORDS SUBCOMMAND [ARGUMENT...]: exit status, and words among the output.
expect()
{
    code=$1 words=$2
    shift 2
    output=$(timeout 60 "$keel" "$@" 2>&1 </dev/null)
    got=$?
    case $output in
    *"$words"*) [ "$got" -eq "$code" ] && { pass; return; } ;;
    esac
    fail "keel $*: exit $got, not $code with \"$words\": $output"
}

# expect_not WORDS: what the last output must not say.
expect_not()
{
    case $output in
    *"$1"*) fail "\"$1\" in: $output" ;;
    *) pass ;;
    esac
}

# says_replaced BEGINNING END: the last line of the last output.
says_replaced()
{
    case ${output##*
} in
    "$1"*"$2") pass ;;
    *) fail "not \"$1\"…\"$2\" at the end of: $output" ;;
    esac
}

# version_of NAME: of the lock that stands
version_of()
{
    "$keel" status --json "$1" | sed -n 's/.*"version":"\([0-9]*\)".*/\1/p'
}
