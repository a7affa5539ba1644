#!/bin/sh
# SPDX-License-Identifier: MIT
# keel status, lock, unlock and events as an operator meets them: every exit status and
# every wrong argument. Run from the build directory.
set -u
src=${srcdir:-$(dirname "$0")/../..}
. "$src/tests/support/report.sh"
. "$src/tests/support/tool.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
KEEL_BOARD=$work/board
export KEEL_BOARD
unset SUDO_USER

# is EXPECTED FOUND WHAT
is()
{
    if [ "$1" = "$2" ]; then pass; else fail "$3: $2, not $1"; fi
}

# says WORDS FILE
says()
{
    if grep -q -- "$1" "$2"; then pass; else fail "no \"$1\" in: $(cat "$2")"; fi
}

# call NAME EXIT_STATUS: one call by a process of its own.
call()
{
    "$keel" exec --settings 'none; breaker.min_calls=2; breaker.open=1h' "$1" \
        -- sh -c "exit $2"
}

# No board, or none that can be used.
for subcommand in status events 'lock payments open' 'unlock payments'; do
    # shellcheck disable=SC2086
    expect 69 "the board $KEEL_BOARD cannot be opened: No such file" $subcommand
    # shellcheck disable=SC2086
    expect 69 "the board $work cannot be opened: Is a directory" $subcommand --board "$work"
done
(unset KEEL_BOARD && "$keel" status) >"$work/output" 2>&1
is 2 $? 'no board is named'
says 'which board? Give --board FILE, or set KEEL_BOARD' "$work/output"
if [ -e "$KEEL_BOARD" ]; then fail "a look has made a board"; else pass; fi
echo 'no board at all, but long enough to have a head if it were one, as one sees: 128 bytes are not so many, after all, and here they are: done' \
    >"$work/text" && chmod 600 "$work/text"
expect 69 'is not a board of keel' status --board "$work/text"

# Two pipelines; one has tripped.
call orders 0
call payments 1
call payments 1
expect 0 'NAME      STATE   SINCE                 WHY           PROBE ' status
expect 0 'orders    closed  -                     -             - ' status
expect 0 '  0/1     -' status orders
expect 0 'payments  open    20' status
expect 0 'Z  failure_rate  ' status payments
expect_not orders
expect 0 "{\"schema\":1,\"source\":\"$KEEL_BOARD\",\"pipelines\":[
{\"name\":\"orders\",\"processes\":0,\"breaker\":true,\"state\":\"closed\"," status --json
expect 0 '"cause":"failure_rate","probe_in_ns":' status --json payments
expect 0 '"calls":2,"failures":2,"slow":0,"lock":null}' status --json payments
expect_not orders
expect 0 'payments' status --board "$KEEL_BOARD"
expect 0 orders status --check orders
expect 1 payments status --check payments
expect 1 payments status --check orders payments
expect 2 'status: --check which NAME?' status --check
expect 2 "no process has opened a pipeline \"paymens\" on $KEEL_BOARD, did you mean \"payments\"?
there are: orders payments" status paymens
expect 2 'unrecognized option' status --jsn
expect 2 'requires an argument' status --board
expect 0 'usage: keel status' status --help
expect 0 'usage: keel status' status -h

# Limits that the host counts together, of those that are named; not in the table.
"$keel" exec --settings 'none; bulkhead=4; bulkhead.scope=host; rate=10/h; rate.scope=host' \
    limited -- true
expect 0 'limited: bulkhead of the host, 0 of 4 places in use
limited: rate of the host, 9 of 10 tokens left, 10 in 1h' status limited
expect 0 limited status
expect_not places
expect 0 '"bulkhead":{"in_use":0,"limit":4},"rate":{"left":9,"burst":10,"count":10,"period_ns":3600000000000}}' \
    status --json
expect 0 payments status --json payments
expect_not bulkhead

# The last minute, newest last.
expect 0 'AT                    STATE      FAILED           REFUSED    LOCK
20' status --history payments
is 61 "$("$keel" status --history payments | wc -l)" 'lines of the last minute'
expect 0 '"name":"payments","seconds":[
{"at_s":' status --history payments --json
expect 0 '"sample":false},' status --history payments --json
expect 0 '"sample":true,"state":"open","lock":"none","generation":1,"calls":2,"failures":2' \
    status --history payments --json
call payments 0
call payments 0
is 2 "$("$keel" status --history payments --json | sed -n \
    's/.*"refused":\([0-9]*\),.*"state":"open".*/\1/p' | awk '{ n += $1 } END { print n }')" \
    'calls that were refused in the last minute'
expect 2 'did you mean "payments"?' status --history paymens
expect 2 '--history is of one NAME, and alone' status --history payments orders
expect 2 '--history is of one NAME, and alone' status --history payments --check orders
expect 2 'requires an argument' status --history

# Locks.
expect 0 'orders: locked open by alice at 20' lock orders open --actor alice \
    --reason 'moving the tables' --for 10m
expect_not 'no reason'
expect 0 'open by alice, ' status orders
expect 0 ' left: moving the tables' status orders
expect 0 '"lock":{"lock":"open","actor":"alice","reason":"moving the tables","set_s":' \
    status --json orders
expect 1 orders status --check orders
version=$(version_of orders)
expect 4 'keel lock: not done, orders: locked open by alice at 20' lock orders disabled
expect 4 -- lock orders closed --actor bob
expect 4 'moving the tables
--replace takes its place' lock orders closed
expect_not 'was locked'
expect 0 'orders: locked disabled by bob' lock --replace orders disabled --actor bob
says_replaced 'orders: was locked open by alice at 20' 'moving the tables'
expect 0 orders status --check orders
expect 4 'keel unlock: not done, orders: locked disabled by bob' unlock orders \
    --if-version "$version"
expect_not --replace
version=$(version_of orders)
expect 0 'orders: not locked' unlock orders --if-version "$version" --actor carol
expect 4 'orders: not locked any more' unlock orders --if-version "$version"
expect 0 'orders: not locked' unlock orders
for lock in open closed disabled observe; do
    expect 0 "orders: locked $lock by " lock orders $lock
    expect 0 "$lock by " status orders
    expect 0 'not locked' unlock orders
done
# A lock that refuses: exec says so.
expect 0 'locked open' lock orders open
call orders 0 2>"$work/output"
is 75 $? 'a command under a lock'
says 'an operator holds the breaker open' "$work/output"
expect 0 'not locked' unlock orders
# One that lets everything through, an open breaker or not.
expect 0 'locked closed' lock payments closed --for 1h
if call payments 0; then pass; else fail "a lock closed refuses"; fi
expect 0 payments status --check payments
expect 0 'not locked' unlock payments

expect 2 'did you mean "payments"?
there are: limited orders payments' lock payment open
expect 2 'no process has opened a pipeline "elsewhere"' unlock elsewhere
expect_not 'did you mean'
expect 2 'which NAME, and open, closed, disabled or observe?' lock orders
expect 2 'which NAME, and open, closed, disabled or observe?' lock
expect 2 'which NAME, and open, closed, disabled or observe?' lock orders open now
expect 2 'a lock is open, closed, disabled or observe' lock orders shut
expect 2 'a lock is open, closed, disabled or observe' lock orders none
for length in 10 0 ten -1s ''; do
    expect 2 '--for takes a length of time with its unit' lock orders open "--for=$length"
done
long=$(printf '%0184d' 0)
expect 2 'the text of --reason has more than 183 bytes' lock orders open --reason "$long"
expect 2 'the name of --actor has more than 47 bytes' lock orders open --actor "$long"
expect 2 'unrecognized option' lock orders open --if-version 3
expect 2 'unlock: which NAME?' unlock
expect 2 'unlock: which NAME?' unlock one two
for version in x 0 -1 ''; do
    expect 2 '--if-version takes the version' unlock orders "--if-version=$version"
done
expect 2 'unrecognized option' unlock orders --replace
expect 0 'usage: keel lock' lock --help
expect 0 'usage: keel unlock' unlock -h
expect 0 'by dora' lock orders open --actor dora
expect 0 '' unlock orders
who=$(SUDO_USER=erin "$keel" lock orders open)
case $who in
*'by erin'*) pass ;;
*) fail "who became root is not named: $who" ;;
esac
expect 0 '' unlock orders

# A breaker that is off, and texts that would steer a terminal.
"$keel" exec --settings 'none; breaker=off' plain -- true
expect 2 'plain has no breaker that is shared' lock plain open
expect 0 '"name":"plain","processes":0,"breaker":false}' status --json plain
escape=$(printf 'a\033[31mb')
expect 0 'locked observe by a?[31mb at 20' lock orders observe --actor "$escape" --reason "$escape"
expect 0 'not locked' unlock orders --actor carol

# What becomes of an endpoint.
"$keel" exec --settings 'none; breaker.min_calls=1; eject.consecutive=1; eject.jitter=0
    eject.time=2m; endpoints=h:1 name=first, h:2 name=second' many -- false
expect 0 'closed -> open (failure_rate), 1 of 1 failed [' events
expect 0 ' ejected for 2m (consecutive) [' events
expect 0 '"for_ns":120000000000,"cause":"consecutive"' events --json

# Events, in order; of the oldest locks it is not known any more who, with who and why.
expect 0 'Z payments closed -> open (failure_rate), 2 of 2 failed [' events
"$keel" exec --settings 'none; breaker.min_calls=1; breaker.open=1ms;
    breaker.half_open_permits=1' recovered -- false
until "$keel" exec --settings 'none; breaker.min_calls=1; breaker.open=1ms;
    breaker.half_open_permits=1' recovered -- true; do :; done
expect 0 'Z recovered open -> half_open (open_elapsed) [' events
expect 0 'Z recovered half_open -> closed (probes_ok), 1 of 1 probes succeeded [' events
expect 0 'Z orders locked open [' events
expect 0 'Z orders locked observe by a?[31mb: a?[31mb [' events
expect 0 'Z orders unlocked by carol [' events
expect 0 '"name":"payments","type":"transition","pid":' events --json
expect 0 '"from":"closed","to":"open","generation":1,"cause":"failure_rate","calls":2,"failures":2}' \
    events --json
expect 0 'locked observe' lock orders observe --for 1ms --actor dora --reason brief
while [ -n "$(version_of orders)" ]; do :; done
expect 0 'orders: not locked' unlock orders
expect_not 'was locked'
expect 0 'Z orders unlocked (expired), was locked by dora: brief [' events
expect 0 '"lock":"none","actor":"dora","reason":"brief","cause":"expired"' events --json
expect 0 '"type":"locked","pid":' events --json
expect 0 '"lock":"none","actor":"carol","reason":"","cause":"none"' events --json
expect 0 'locked open by erin' events --since 1h
expect 0 '' events --since 0
if [ -z "$output" ]; then pass; else fail "events --since 0: $output"; fi
sorted=$("$keel" events --json | sed 's/.*"sequence":\([0-9]*\).*/\1/' | sort -c -n 2>&1)
expect_none "events are not in order" "$sorted"
expect 2 '--since takes a length of time with its unit' events --since 10
expect 2 'takes options alone' events payments
expect 2 'unrecognized option' events --folow
expect 0 'usage: keel events' events -h

# Whoever reads no more ends it, and so does Ctrl-C.
timeout 20 "$keel" events --follow | head -n 1 >"$work/output"
is 1 "$(wc -l <"$work/output")" 'lines of events --follow'
(
    trap '' PIPE
    timeout 20 "$keel" events --follow 2>"$work/errors"
    echo $? >"$work/code"
) | head -n 1 >"$work/output"
expect_none "events --follow complains of a pipe that was closed" "$(cat "$work/errors")"
is 0 "$(cat "$work/code")" 'a closed pipe'
timeout --preserve-status -s INT 1 "$keel" events --follow >/dev/null
is 130 $? 'events --follow, interrupted'

for subcommand in status 'status --json' events; do
    # shellcheck disable=SC2086
    "$keel" $subcommand >/dev/full 2>"$work/output"
    is 71 $? "keel $subcommand to a full disk"
    says 'standard output cannot be written' "$work/output"
done

# Root looks at anybody's board, and takes part in nobody's.
if [ "$(id -u)" -eq 0 ] && chown nobody "$KEEL_BOARD"; then
    expect 0 payments status
    expect 0 'belongs to another user; nothing is shared' exec payments -- true
    chown root "$KEEL_BOARD"
else
    skip "only root can give a file away"
fi

# A board without pipelines is none to complain of.
rm -f "$KEEL_BOARD"
KEEL_ORDERS='share=off' "$keel" exec --settings none orders -- true
expect 0 'no pipeline shares anything on' status
expect 0 '"pipelines":[],' status --json
expect 2 'there are none yet' lock orders open
# What each process finds out for itself, as long as it lives; of those that are named.
expect 0 'found: adaptive limit 16
found: throttle refuses 0%' exec --settings 'none; adaptive=vegas; throttle=on; breaker=on' \
    found -- "$keel" status found
expect 0 '"adaptive":{"least":9,"most":9,"processes":1},"throttle":{' \
    exec --settings 'throttle=on; adaptive.initial=9; bulkhead=off' found -- \
    "$keel" status --json found
expect 0 found status found
expect_not adaptive

report
