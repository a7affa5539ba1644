#!/bin/sh
# SPDX-License-Identifier: MIT
# keel serve before clients of others, which must not notice: libmemcached's memccapable
# and Debian's pymemcache, unchanged; and keel bag beside it. Run from the build
# directory. SERVE_SPECS has other bags to serve, one a line: each has to be empty, and
# allow to be flushed.
set -u
src=${srcdir:-$(dirname "$0")/../..}
. "$src/tests/support/report.sh"

keel=./keel
work=$(mktemp -d) || exit 1
server=
redis=
trap 'stop; [ -z "$redis" ] || kill "$redis"; rm -rf "$work"' EXIT

# stop: ends the server; its exit status is returned.
stop()
{
    [ -n "$server" ] || return 0
    kill "$server"
    wait "$server"
    code=$?
    server=
    return $code
}

# start SPEC: serves it at 127.0.0.1:$port and at $work/socket.
start()
{
    : >"$work/out" # of the one before it says nothing
    "$keel" serve "$1" --listen 127.0.0.1:0 --listen "unix:$work/socket" \
        >"$work/out" 2>"$work/err" &
    server=$!
    tries=0
    while ! grep -q "listening on $work/socket" "$work/out"; do
        tries=$((tries + 1))
        if [ $tries -gt 400 ] || ! kill -0 $server 2>/dev/null; then
            fail "keel serve $1: $(cat "$work/err")"
            return 1
        fi
        sleep 0.05
    done
    port=$(sed -n 's/.*listening on 127\.0\.0\.1://p' "$work/out")
}

# expect CODE OUTPUT [ARGUMENT...]: of keel; what it prints to either.
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

# foreign_clients SPEC
foreign_clients()
{
    start "$1" || return
    if said=$(memccapable -a -h 127.0.0.1 -p "$port" 2>&1); then
        pass
    else
        fail "memccapable over $1: $said"
    fi
    for place in "127.0.0.1:$port" "unix:$work/socket"; do
        if said=$(/usr/bin/python3 "$src/tests/bag/pymemcache_client.py" "$place" 2>&1)
        then
            pass
        else
            fail "pymemcache over $1 at $place: $said"
        fi
    done
    if stop; then pass; else fail "keel serve $1 ended with $?: $(cat "$work/err")"; fi
    [ ! -s "$work/err" ] || fail "keel serve $1 has complained: $(cat "$work/err")"
}

foreign_clients 'memory://?allow_flush=on'
foreign_clients "file://$work/items?allow_flush=on"
foreign_clients 'cache(memory://?allow_flush=on, memory://?allow_flush=on)'
if command -v redis-server >/dev/null; then
    redis-server --port 0 --unixsocket "$work/redis" --save '' --appendonly no \
        --dir "$work" >/dev/null 2>&1 &
    redis=$!
    while [ ! -S "$work/redis" ] && kill -0 $redis; do
        sleep 0.05
    done
    foreign_clients "redis://$work/redis?allow_flush=on&db=0"
else
    fail 'redis-server is not installed'
fi
[ -z "${SERVE_SPECS-}" ] || while IFS= read -r spec; do
    foreign_clients "$spec"
done <<SPECS
$SERVE_SPECS
SPECS

# What is wrong is said before anybody is served.
expect 2 'one SPEC' serve
expect 2 '--threads takes a number' serve --threads 0 memory://
expect 2 '--max-value takes a size' serve --max-value 7 memory://
expect 2 'unrecognized option' serve --port 1 memory://
expect 78 'keel serve: ' serve no-such-store://x
expect 69 'no address' serve memory:// --listen 127.0.0.1
expect 69 'no address' serve memory:// --listen ::1:80
expect 0 'usage: keel serve' serve --help

# keel bag; a bag in memory ends with the command, so what is said of one is said at once.
expect 1 'there is none' bag get memory:// a
expect 0 '' bag set --ttl 10m --flags 7 memory:// a x
expect 1 'not stored' bag replace memory:// a x
expect 1 'there is none' bag incr memory:// n 5
expect 1 'there is none' bag touch --ttl never memory:// a
expect 2 'touch needs --ttl' bag touch memory:// a
expect 2 '--ttl takes' bag set --ttl 10 memory:// a x
expect 2 '--token takes' bag set --token xyz memory:// a x
expect 2 '--token goes with' bag add --token 00ff memory:// a x
expect 1 'there is none' bag set --token 00000000000000ff memory:// a x
expect 2 'a key has no blanks' bag get memory:// 'a b'
expect 2 'it cannot flush' bag flush memory://
expect 0 '' bag flush 'memory://?allow_flush=on'
expect 0 '' bag scan memory://
expect 0 '0 copied' bag copy memory:// memory://
expect 0 'value_max' bag describe --json memory://
expect 0 'values     1048576 bytes at most' bag describe memory://
expect 78 'keel bag: ' bag describe no-such-store://x
expect 2 'no such verb' bag steal memory://
expect 2 'not the arguments' bag get memory://
expect 0 'usage: keel bag' bag --help
report
