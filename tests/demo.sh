#!/bin/sh
# SPDX-License-Identifier: MIT
# The demonstration, shortened: its numbers agree with one another and with what was done
# to the servers, its picture is whole, and nothing of it is left, however it ends.
set -u
src=${srcdir:-$(dirname "$0")/..}
. "$src/tests/support/report.sh"

demo=$PWD/demo/keel-demo
polls=300
callers=24
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/tmp"
# Its default settings are what is shown.
unset KEEL_PAYMENTS KEEL_DEFAULT NO_COLOR

# expect SENTENCE COMMAND...
expect()
{
    sentence=$1
    shift
    if "$@"; then pass; else fail "$sentence"; fi
}

# begin ARGUMENT...: starts it in a session of its own, whose number is its pid. What the
# one before it printed says nothing of this one: it might be interrupted before it is.
begin()
{
    : >"$work/output"
    TMPDIR=$work/tmp setsid "$demo" "$@" >"$work/output" 2>&1 </dev/null &
    pid=$!
}

# ends CODE: it does so by itself. Where its server is not installed, that is all.
ends()
{
    wait "$pid"
    rc=$?
    [ $rc -ne 77 ] || exit 77
    expect "it ends with $1, not with $rc" [ $rc -eq "$1" ]
}

# The processes of the session, zombies aside.
left_running()
{
    for stat in /proc/[0-9]*/stat; do
        sed 's/^\([0-9]*\) .*) /\1 /' "$stat" 2>/dev/null
    done | awk -v session="$pid" '$5 == session && $2 != "Z" { print $1 }'
}

# await SENTENCE COMMAND...: until the command says yes.
await()
{
    sentence=$1
    shift
    for _ in $(seq $polls); do
        "$@" && { pass; return; }
        sleep 0.1
    done
    fail "$sentence"
}

is_running()
{
    grep -q '^  1 |' "$work/output"
}

# Awaited, because the demonstration keeps killing its server and starting it again.
has_server()
{
    [ "$(left_running | wc -l)" -ge 3 ]
}

has_ended()
{
    [ -z "$(left_running)" ]
}

left_behind()
{
    find "$work/tmp" -mindepth 1 -maxdepth 1
}

# column N: a column of the timeline, added up.
column()
{
    awk -v n="$1" '/^ *[0-9]+ \|/ { gsub(/\|/, " "); sum += $n } END { print sum + 0 }' \
        "$work/output"
}

# said WORDS N: the N-th word of a line of the summary.
said()
{
    sed -n "s/^  $1  *//p" "$work/output" | awk -v n="$2" 'NR == 1 { print $n }'
}

# came WORDS N: the same is a time, and not "never".
came()
{
    case $(said "$1" "$2") in [0-9]*) ;; *) return 1 ;; esac
}

# value WORDS N: the same as a number.
value()
{
    said "$1" "$2" | awk '{ print $1 + 0 }'
}

check_numbers()
{
    expect "a line for each second" \
        [ "$(grep -c '^ *[0-9][0-9]* |.*|' "$work/output")" -eq 21 ]
    expect "ok and the summary agree, without keel" \
        [ "$(column 2)" -eq "$(value 'requests answered' 1)" ]
    expect "ok and the summary agree, with keel" \
        [ "$(column 6)" -eq "$(value 'requests answered' 2)" ]
    expect "failed and the summary agree, without keel" \
        [ "$(column 3)" -eq "$(value 'requests that failed after trying' 1)" ]
    expect "refused and the summary agree" \
        [ "$(column 8)" -eq "$(value 'requests refused by keel, nothing sent' 2)" ]
}

# is_silent ANSWERS: there are none but those that were under way, at most one a caller.
is_silent()
{
    [ "$1" -le "$callers" ]
}

check_outage()
{
    expect "somebody was answered without keel" [ "$(value healthy 1)" -gt 0 ]
    expect "somebody was answered with keel" [ "$(value healthy 2)" -gt 0 ]
    expect "a killed server answers nobody without keel" is_silent "$(value killed 1)"
    expect "a killed server answers nobody with keel" is_silent "$(value killed 2)"
    expect "keel retried" [ "$(column 9)" -gt 0 ]
    expect "keel refused" [ "$(column 8)" -gt 0 ]
    expect "keel sent less to a sick server" \
        [ "$(value 'sent to the server while it was sick' 2)" -lt \
        "$(value 'sent to the server while it was sick' 1)" ]
    expect "the breaker opened" grep -q 'closed -> open' "$work/output"
    expect "the breaker closed" grep -q 'half_open -> closed' "$work/output"
}

# changes N: the acknowledged writes of the summary, without keel or with it.
changes()
{
    echo $(($(value 'sessions stored' "$1") +
        $(value 'visits counted, which have no standby' "$1")))
}

check_storage_numbers()
{
    expect "a line for each second of storage" \
        [ "$(grep -c '^ *[0-9][0-9]* |.*|' "$work/output")" -eq 11 ]
    expect "reads and the summary agree, without keel" \
        [ "$(column 2)" -eq "$(value 'reads answered' 1)" ]
    expect "reads and the summary agree, with keel" \
        [ "$(column 7)" -eq "$(value 'reads answered' 2)" ]
    expect "failed reads and the summary agree, without keel" \
        [ "$(column 3)" -eq "$(value 'reads failed' 1)" ]
    expect "writes and the summary agree, without keel" [ "$(column 4)" -eq "$(changes 1)" ]
    expect "writes and the summary agree, with keel" [ "$(column 11)" -eq "$(changes 2)" ]
}

check_storage()
{
    expect "nobody reads from a dead Redis without keel" \
        [ "$(said 'killed: first read answered after' 1)" = never ]
    for what in 'killed: first read answered' 'killed: first session stored' \
        'killed: first answer of the standby' 'frozen: first answer of the standby'; do
        expect "with keel never: $what" came "$what after" 2
    done
    expect "the cache answers" [ "$(column 8)" -gt 0 ]
    expect "the standby answers" [ "$(column 9)" -gt 0 ]
    expect "a visit is refused and not counted" [ "$(column 12)" -gt 0 ]
    expect "fewer reads fail with keel" [ "$(column 10)" -lt "$(column 3)" ]
    expect "writes are in doubt without keel" [ "$(column 5)" -gt 0 ]
    expect "all sessions are read back" \
        [ "$(value 'read back from Redis alone, in the end: sessions' 2)" -eq 200 ]
    expect "nothing is lost with keel" \
        [ "$(said '  acknowledged writes lost' 2)" = 0 ]
    expect "what is old says so" [ "$(said '  and without a mark' 2)" = 0 ]
    expect "lost and counted are both right" [ "$(grep -c ': right' "$work/output")" -eq 2 ]
    expect "the breaker of Redis opened" grep -q 'closed -> open' "$work/output"
    expect "the breaker of Redis closed" grep -q 'half_open -> closed' "$work/output"
}

check_regions_numbers()
{
    expect "a line for each second of regions" \
        [ "$(grep -c '^ *[0-9][0-9]* |.*|' "$work/output")" -eq 16 ]
    for service in 1 2 3; do
        expect "ok and the summary of regions agree, service $service" \
            [ "$(column $((3 * service - 1)))" -eq \
            "$(value 'requests answered, all phases' $service)" ]
        expect "failed and the summary of regions agree, service $service" \
            [ "$(column $((3 * service)))" -eq \
            "$(value 'requests failed, all phases' $service)" ]
    done
    expect "regions and ok agree" [ "$(($(column 11) + $(column 12)))" -eq "$(column 8)" ]
}

check_regions()
{
    expect "fewer requests fail with keel than with one address" \
        [ "$(column 9)" -lt "$(column 3)" ]
    expect "fewer requests fail with keel than in turns" \
        [ "$(column 9)" -lt "$(column 6)" ]
    expect "keel tries another endpoint" [ "$(column 10)" -gt 0 ]
    expect "the near region answers" [ "$(column 11)" -gt 0 ]
    expect "the other region answers" [ "$(column 12)" -gt 0 ]
    expect "both cuts are told of" [ "$(grep -c 'is cut off, .* for' "$work/output")" -eq 2 ]
    expect "with keel the other region answers all" \
        came '  eu-2 answers all, at once, after' 3
    expect "with keel the near region answers again, by itself" \
        came '  eu-1 answers again after its return' 5
    expect "an endpoint is ejected" grep -q ': a is ejected' "$work/output"
}

check_width()
{
    expect "a file's output has no colour" \
        [ "$(tr -d '\033' <"$work/output" | wc -c)" -eq "$(wc -c <"$work/output")" ]
    expect "no line is longer than a terminal is wide" \
        [ "$(awk 'length > 80' "$work/output" | wc -l)" -eq 0 ]
}

check_picture()
{
    expect "the picture begins" grep -q '^<svg xmlns=' "$work/picture.svg"
    expect "the picture ends" [ "$(tail -n 1 "$work/picture.svg")" = '</svg>' ]
    expect "the picture has bars" [ "$(grep -c '<rect' "$work/picture.svg")" -gt 60 ]
}

check_gone()
{
    expect_none "left running" "$(left_running)"
    expect_none "left behind" "$(left_behind)"
}

# interrupt: asks it to end, as Ctrl-C does.
interrupt()
{
    kill -TERM "$pid"
    ends 143
    check_gone
}

"$demo" --help >"$work/output"
expect "--help helps" grep -q '^usage: ' "$work/output"
check_width
expect "a schedule of six is refused" [ "$("$demo" --seconds 1,1,1,1,1,1 2>&1 >/dev/null |
    grep -c '^usage: ')" -eq 1 ]
expect "storage has no picture" [ "$("$demo" storage --picture p 2>&1 >/dev/null |
    grep -c '^usage: ')" -eq 1 ]
expect "a picture that cannot be is told of at once" [ "$("$demo" \
    --picture "$work/nowhere/p.svg" 2>&1 >/dev/null | grep -c nowhere)" -eq 1 ]

# The open time of 4.5 to 5.5 s ends a second and more after the server is started again: it
# has that long to come up in. A breaker whose first probes fail stays open to the end.
begin http --picture "$work/picture.svg" --seconds 2,4,7,3,1,2,2
ends 0
check_numbers
check_outage
check_width
check_picture
check_gone
[ "$failed" -eq 0 ] || cat "$work/output"

begin storage --seconds 1,2,2,2,2,1,1
ends 0
check_storage_numbers
check_storage
check_width
check_gone
[ "$failed" -eq 0 ] || cat "$work/output"

# The ejection of 5 s ends after the near region has returned.
begin regions --seconds 1,4,5,1,0,0,5
ends 0
check_regions_numbers
check_regions
check_width
check_gone
[ "$failed" -eq 0 ] || cat "$work/output"

begin --picture "$work/picture.svg"
await "it begins" is_running
await "a server runs in its session" has_server
interrupt

# What was frozen goes, too.
begin storage --seconds 0,0,0,60,0,0,0
await "storage begins" is_running
interrupt

begin --picture "$work/picture.svg"
await "it begins again" is_running
kill -KILL "$pid"
await "its server outlives a killed demonstration" has_ended
report
