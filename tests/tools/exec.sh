#!/bin/sh
# SPDX-License-Identifier: MIT
# keel exec as a script meets it: whose exit status, and what counts as what. Run from the
# build directory.
set -u
src=${srcdir:-$(dirname "$0")/../..}
. "$src/tests/support/report.sh"

keel=./keel
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
KEEL_BOARD=$work/board
export KEEL_BOARD

# expect CODE WORDS [ARGUMENT...]: exit status, and words among the output.
expect()
{
    code=$1 words=$2
    shift 2
    output=$(timeout 60 "$keel" exec "$@" 2>&1 </dev/null)
    got=$?
    case $output in
    *"$words"*) [ "$got" -eq "$code" ] && { pass; return; } ;;
    esac
    fail "keel exec $*: exit $got, not $code with \"$words\": $output"
}

# is EXPECTED FOUND WHAT
is()
{
    if [ "$1" = "$2" ]; then pass; else fail "$3: $2, not $1"; fi
}

# counts NAME CALLS FAILURES: what the breaker has heard of the commands so far.
counts()
{
    case $("$keel" status --json "$1") in
    *"\"calls\":$2,\"failures\":$3,"*) pass ;;
    *) fail "$1: not $3 of $2 failed: $("$keel" status --json "$1")" ;;
    esac
}

[ -x "$keel" ] || { fail "no $keel here"; report; exit 1; }
breaker='none; breaker.min_calls=20'

# The command's own status, and what it tells of the dependency.
expect 0 hello a --settings "$breaker" -- echo hello
counts a 1 0
expect 3 '' a --settings "$breaker" -- sh -c 'exit 3'
counts a 2 1
expect 75 '' a --settings "$breaker" -- sh -c 'exit 75'
counts a 3 2
expect 137 '' a --settings "$breaker" -- sh -c 'kill -KILL $$'
counts a 4 3
expect 127 'nosuchcommand: No such file' a --settings "$breaker" -- nosuchcommand
expect 126 '/dev/null: Permission denied' a --settings "$breaker" -- /dev/null
expect 127 '' a --settings "$breaker" -- sh -c 'exit 127'
expect 126 '' a --settings "$breaker" -- sh -c 'exit 126'
counts a 4 3
expect 0 '-l' a --settings "$breaker" -- echo -l -- --settings
case $output in
'-l -- --settings') pass ;;
*) fail "the command's own arguments: $output" ;;
esac

# Its time: asked to end, then killed; the breaker counts it once.
expect 143 'b: sleep was ended, its time was over' b --settings "$breaker; timeout=100ms" \
    -- sleep 30
counts b 1 1
# A second is time enough for the shell to have set its trap.
expect 137 'its time was over' b --settings "$breaker; timeout=1s" \
    -- sh -c 'trap "" TERM; while :; do sleep 0.1; done'
counts b 2 2
expect 143 'its time was over' b --settings "$breaker; deadline=100ms" -- sleep 30
expect 0 'its time was over' b --settings "$breaker; timeout=1s" \
    -- sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'

# Short-lived processes share: the third is refused, and hears when to come back.
trips='none; breaker.min_calls=2; breaker.open=1h; breaker.open_jitter=0'
expect 1 '' c --settings "$trips" -- false
expect 1 '' c --settings "$trips" -- false
expect 75 'keel exec: c: not called: the breaker is open; come back in ' \
    c --settings "$trips" -- touch "$work/called"
if [ -e "$work/called" ]; then fail "a refused command has run"; else pass; fi
# Of another pipeline's coming and going they know nothing.
expect 1 '' c1 --settings "$trips" -- false
expect 1 '' c2 --settings "$trips" -- false
expect 1 '' c1 --settings "$trips" -- false
expect 75 'the breaker is open' c1 --settings "$trips" -- false

# Retries are for what may be repeated, and for who says so.
retries='none; retry.attempts=3; retry.backoff=1ms; retry.budget=off'
expect 9 'tried' d --settings "$retries" -- sh -c 'echo tried; exit 9'
is 1 "$(echo "$output" | wc -l)" 'attempts of a command that is not idempotent'
expect 9 'tried' d --idempotent --settings "$retries" -- sh -c 'echo tried; exit 9'
is 3 "$(echo "$output" | wc -l)" 'attempts of one that is'
expect 0 'tried' d --idempotent --settings "$retries" \
    -- sh -c "echo tried; [ -e '$work/once' ] || { touch '$work/once'; exit 1; }"
is 2 "$(echo "$output" | wc -l)" 'attempts of one that succeeds with its second'

# A place is waited for as the settings say, and comes back.
place='none; bulkhead=1; bulkhead.scope=host'
mkfifo "$work/go"
"$keel" exec e --settings "$place" -- sh -c "echo >'$work/in'; cat '$work/go'" >/dev/null &
holder=$!
tries=0
while [ ! -e "$work/in" ] && [ $tries -lt 200 ]; do
    sleep 0.05
    tries=$((tries + 1))
done
expect 75 'e: not called: the bulkhead is full' e --settings "$place" -- true
"$keel" exec e --settings "$place; bulkhead.queue=4; bulkhead.wait=50s" -- true &
waiter=$!
: >"$work/go"
wait $holder
is 0 $? 'who held the place'
wait $waiter
is 0 $? 'who waited for it'
expect 0 '' e --settings "$place" -- true

# Nothing of ours is left open in the command, and no signal is blocked there.
expect 0 '' f -- sh -c 'ls /proc/self/fd'
if [ "$output" = "$(sh -c 'ls /proc/self/fd' </dev/null)" ]; then
    pass
else
    fail "the command has descriptors of ours: $output"
fi
expect 0 'SigBlk:	0000000000000000' f -- grep SigBlk /proc/self/status

# Settings of the environment hold, what is wrong in them is said, strictness refuses.
KEEL_G='timeout=100ms' expect 143 'its time was over' g -- sleep 30
KEEL_G='timeot=1s' expect 0 'unknown setting "timeot"' g -- true
KEEL_STRICT=on KEEL_G='timeot=1s' expect 78 'unknown setting "timeot"' g -- true
KEEL_DISABLED=on expect 1 '' c --settings "$trips" -- false
KEEL_BOARD=/nowhere/board expect 0 'nothing is shared' g -- true
KEEL_STRICT=on KEEL_BOARD=/nowhere/board expect 78 'KEEL_BOARD: the board /nowhere/board cannot' \
    g -- true
expect 78 'no name for a pipeline' Payments -- true

# The example for cron: silent while the service is known to be down.
PATH=$PWD:$PATH
export PATH
is 0 "$(sh "$src/examples/cron.sh" true >"$work/output" 2>&1; echo $?)" 'a job of cron'
is '' "$(cat "$work/output")" 'what it prints'
KEEL_LEDGER=breaker.consecutive=1 sh "$src/examples/cron.sh" false
is 1 $? 'the job that finds out'
is 0 "$(sh "$src/examples/cron.sh" touch "$work/job" 2>"$work/output"; echo $?)" \
    'a job while it is down'
if [ -e "$work/job" ]; then fail "the job has run"; else pass; fi
is 1 "$(wc -l <"$work/output")" 'lines of why it has not'

expect 2 'one NAME, and the COMMAND behind --' payments true
expect 2 'one NAME, and the COMMAND behind --' -- true
expect 2 'one NAME, and the COMMAND behind --' a b -- true
expect 2 'which COMMAND? It stands behind --' payments
expect 2 'which COMMAND? It stands behind --' payments --
expect 2 'unrecognized option' payments --nonsense -- true
expect 2 'requires an argument' payments --settings -- true
expect 2 '--wait-share takes a length of time with its unit' payments --wait-share 50 -- true
expect 0 '' payments --wait-share 50ms -- true
expect 0 'usage: keel exec' --help
expect 0 'usage: keel exec' -h
report
