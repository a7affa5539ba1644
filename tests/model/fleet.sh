#!/bin/sh
# SPDX-License-Identifier: MIT
# The fleet protocol holds in every order of steps, and a protocol with a mistake in it
# does not. Searches every state of each world below; `fleet.sh --large` searches larger
# ones, for some minutes. KEEL_TRAILS=DIR keeps the trail of what went wrong.
set -u
src=${srcdir:-$(dirname "$0")/../..}
. "$src/tests/support/report.sh"

model=$(cd "$src/tests/model" && pwd)/fleet.pml
megabytes=1900
speed=-O0      # the small worlds take less time than optimising their programs
large=${1:-}
for tool in spin gcc; do
    command -v $tool >/dev/null || { echo "skipped: no $tool"; exit 77; }
done
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# search KIND SWITCH...: 0 when nothing is wrong in any state, 1 when something is, 2
# when that is not known. KIND is safety, or liveness under weak fairness.
search()
{
    kind=$1
    shift
    case $kind in
    safety) compiled='-DSAFETY -DNOCLAIM' run='-m200000' ;;
    liveness) compiled='-DNFAIR=3' run='-a -f -m200000' ;;
    esac
    [ "$kind" = safety ] || set -- "$@" -DLIVENESS
    rm -f "$work"/*
    # shellcheck disable=SC2086
    (cd "$work" && spin -a "$@" "$model" &&
        gcc $speed -w -DCOLLAPSE -DVECTORSZ=2048 -DMEMLIM=$megabytes $compiled -o pan pan.c &&
        ./pan -E -n $run) >"$work/log" 2>&1 || return 2
    if grep -qE 'max search depth too small|Search not completed|out of memory' "$work/log"
    then
        grep -q 'errors: [1-9]' "$work/log" && return 1
        return 2
    fi
    grep -q 'errors: 0$' "$work/log"
}

# holds KIND SENTENCE SWITCH...
holds()
{
    kind=$1 sentence=$2
    shift 2
    if search "$kind" "$@"; then
        pass
        printf '%9s states: %s\n' \
            "$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$work/log")" "$sentence"
    else
        fail "$sentence ($*)"
        tail -n 20 "$work/log"
        keep_trail "$@"
    fi
}

# caught KIND MUTANT SWITCH...: a mistake is planted, and the search must find it.
caught()
{
    kind=$1 mutant=$2
    shift 2
    search "$kind" "-DMUTANT_$mutant" "$@"
    if [ $? -eq 1 ]; then
        pass
        printf '   caught: %s: %s\n' "$mutant" "$(sed -n 's/^pan:1: //p' "$work/log")"
        keep_trail "-DMUTANT_$mutant" "$@"
    else
        fail "not caught: $mutant ($*)"
        tail -n 5 "$work/log"
    fi
}

# The switches belong to a trail: spin needs the same ones to replay it.
keep_trail()
{
    [ -n "${KEEL_TRAILS:-}" ] && [ -f "$work/fleet.pml.trail" ] || return 0
    mkdir -p "$KEEL_TRAILS" || return 0
    name=$(echo "$*" | sed 's/-D//g; s/ /,/g')
    cp "$work/fleet.pml.trail" "$KEEL_TRAILS/$name.trail"
}

# The worlds: how many there are, and what may go wrong how often.
probes='-DN=3 -DEPOCHS=5 -DCRASHES=1 -DRETURNS=1 -DLOST_REPLIES=1'
rounds='-DN=2 -DEPOCHS=8 -DBAD_PROBES=2 -DCRASHES=1 -DLOST_REPLIES=1'
tolerant="$rounds -DK=2 -DALLOWED=1"
batches='-DN=2 -DTRIP_AT=2 -DFAILURES=2 -DLOST_REPLIES=2 -DEPOCHS=5'
news='-DN=2 -DMESSAGES_TAKE_TIME -DEVENTS_COME_TWICE -DLOST_EVENTS=1 -DEPOCHS=5'
failover='-DN=2 -DFAILOVERS=1 -DFAILURES=2'
clock='-DN=2 -DJUMPS=1 -DCRASHES=1 -DLOST_REPLIES=1 -DEPOCHS=8 -DOPEN_TICKS=2
    -DLEASE_TICKS=2'
recovery='-DN=2 -DFAILOVERS=1 -DEPOCHS=14'

# Splitting is meant: a world is a list of switches.
# shellcheck disable=SC2086
small_worlds()
{
    holds safety 'one probe at a time' $probes
    holds safety 'two probes at a time' -DN=3 -DEPOCHS=5 -DK=2 -DCRASHES=1 -DRETURNS=1
    holds safety 'one of two probes may fail, crash or be sent twice' $tolerant
    holds safety 'a batch counts once' $batches -DCRASHES=1
    holds safety 'a batch counts once, failover or not' $batches -DFAILOVERS=1
    holds safety 'three processes hear news in any order, or not' -DN=3 \
        -DMESSAGES_TAKE_TIME -DLOST_EVENTS=1 -DEPOCHS=4
    holds safety 'news may come late, twice or never' $news -DFAILOVERS=1
    holds safety 'the server forgets' $failover -DBAD_PROBES=2 -DCRASHES=1
    holds safety 'the server forgets what three know' -DN=3 -DFAILOVERS=1
    holds safety 'the clock of the server jumps' $clock
    holds liveness 'all close after a failover' $recovery
    holds liveness 'all close after a crash' -DN=2 -DEPOCHS=12 -DCRASHES=1
    holds liveness 'all close although a reply was lost and the clock jumped' -DN=2 \
        -DEPOCHS=12 -DLOST_REPLIES=1 -DJUMPS=1
}

# shellcheck disable=SC2086
mutants()
{
    caught safety NO_EPOCH_IN_RESULT $rounds
    caught safety NO_SEQ $batches
    caught safety READ_THEN_SUBSCRIBE $news
    caught safety HALF_OPEN_AS_HALF_OPEN $failover
    caught safety LAST_WRITER $failover
    caught safety SETTLED_MAKES_ROOM -DN=2 -DK=2
    caught safety SETTLED_IS_REMOVED $tolerant
    caught safety SETTLED_IS_UNKNOWN $tolerant
    caught safety PROBES_OF_LAST_PERIOD $rounds -DK=2
    caught safety LATE_SUCCESS_COUNTS $rounds
    caught safety EVERY_EVENT_IS_NEWS $news
    caught safety RUN_OUT_IS_UNKNOWN $failover
    caught safety SERVER_CLOCK_ALONE $clock
    caught safety OPEN_IS_PROLONGED $clock
    caught safety ANY_LENGTH_IS_BELIEVED $clock
    caught safety LEASE_PAST_ITS_LENGTH $clock
    caught liveness LEASE_NEVER_EXPIRES $recovery -DCRASHES=1
    caught liveness SPLIT_IS_LEFT_ALONE $recovery
}

# shellcheck disable=SC2086
large_worlds()
{
    holds safety 'one probe at a time' -DN=3 -DEPOCHS=8 -DBAD_PROBES=2 -DCRASHES=1 \
        -DLOST_REPLIES=1
    holds safety 'two probes at a time, one may fail' -DN=3 -DK=2 -DALLOWED=1 \
        -DEPOCHS=8 -DBAD_PROBES=2 -DLOST_REPLIES=1
    holds safety 'three processes hear news in any order' -DN=3 -DMESSAGES_TAKE_TIME \
        -DEVENTS_COME_TWICE -DLOST_EVENTS=1 -DEPOCHS=5
    holds safety 'the server forgets what three know' -DN=3 -DFAILOVERS=1 -DFAILURES=2
    holds safety 'the clock of the server jumps' -DN=3 -DJUMPS=1 -DCRASHES=1 \
        -DEPOCHS=6 -DOPEN_TICKS=2 -DLEASE_TICKS=2
    holds liveness 'all close after one of each' $recovery -DCRASHES=1 -DLOST_REPLIES=1
    holds liveness 'all close, two probes at a time' $recovery -DK=2
}

if [ "$large" = --large ]; then
    megabytes=6000 speed=-O2
    large_worlds
else
    small_worlds
    mutants
fi
report
