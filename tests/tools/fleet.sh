#!/bin/sh
# SPDX-License-Identifier: MIT
# keel status, lock, unlock, events and exec with a fleet in a real Redis, as an operator
# meets them: where they look, every exit status, every wrong argument. Run from the build
# directory.
set -u
src=${srcdir:-$(dirname "$0")/../..}
. "$src/tests/support/report.sh"

server=redis-server
[ "${KEEL_TEST_REDIS-}" = valkey ] && server=valkey-server
command -v $server >/dev/null || { echo "no $server here"; exit 77; }

. "$src/tests/support/tool.sh"

work=$(mktemp -d) || exit 1
server_pid='' child=''
end()
{
    # shellcheck disable=SC2086
    kill $child $server_pid 2>/dev/null
    wait
    rm -rf "$work"
}
trap end EXIT
unset SUDO_USER KEEL_BOARD KEEL_REDIS KEEL_NAMESPACE KEEL_REDIS_PASSWORD_FILE
KEEL_REDIS__TIMEOUT=2s
export KEEL_REDIS__TIMEOUT
url=unix:$work/socket

# comes WORDS FILE or comes WORDS SUBCOMMAND...: waits until the words are there.
comes()
{
    words=$1 tries=0
    shift
    while [ $tries -lt 400 ]; do
        if [ -e "$1" ]; then seen=$(cat "$1"); else seen=$("$keel" "$@" 2>&1); fi
        case $seen in *"$words"*) pass; return ;; esac
        sleep 0.05
        tries=$((tries + 1))
    done
    fail "$*: no \"$words\" in: $seen"
}

# let_go: ends who reads "$work/go", where somebody does
let_go()
{
    timeout 20 sh -c ": >'$work/go'" || fail "nobody reads $work/go"
    wait "$child"
    child=''
}

# end_child: of those in the background the one there is
end_child()
{
    kill "$child" && wait "$child" 2>/dev/null
    child=''
}

# Nobody is there, or nobody is named.
for subcommand in status 'events --follow' 'lock payments open' 'unlock payments'; do
    # shellcheck disable=SC2086
    KEEL_REDIS=$url expect 69 "$url (namespace default): connect: No such file" $subcommand
    # shellcheck disable=SC2086
    expect 69 'Connection refused' $subcommand --redis redis://127.0.0.1:1
    # shellcheck disable=SC2086
    expect 2 'which Redis? Give --redis URL, or set KEEL_REDIS' $subcommand --redis
    # shellcheck disable=SC2086
    expect 2 'which board?' $subcommand
done
expect 2 'keel status: URL: begins with none of redis://' status --redis=nonsense
KEEL_REDIS=nonsense expect 78 'keel status: KEEL_REDIS: begins with none of redis://' status
KEEL_REDIS=$url KEEL_REDIS_PASSWORD_FILE=/nowhere expect 78 \
    'KEEL_REDIS_PASSWORD_FILE: the file it names cannot be read: No such file' status

"$server" --port 0 --unixsocket "$work/socket" --save '' --dir "$work" >/dev/null &
server_pid=$!
KEEL_REDIS=$url
export KEEL_REDIS
comes 'no pipeline shares anything on' status
expect 0 '"members":null}' status --json
expect 2 'there are none yet' lock orders open

# A member that runs, and one that trips the fleet and goes.
settings='none; breaker.min_calls=1; breaker.open=1h; breaker.open_jitter=0'
mkfifo "$work/go"
"$keel" exec --settings "$settings" orders -- cat "$work/go" &
child=$!
comes 'orders  closed' status
expect 0 '  0/-     -' status orders
expect 0 "{\"schema\":1,\"source\":\"$url (namespace default)\",\"pipelines\":[
{\"name\":\"orders\",\"processes\":null,\"breaker\":true,\"state\":\"closed\",\"generation\":1," \
    status --json
expect 0 '"probe_in_ns":0,"permits":null,"calls":null,"failures":0,"slow":0,"lock":null}' \
    status --json
expect 0 '"processes":[],
"members":1}' status --json
let_go
"$keel" exec --idempotent --settings "$settings; deadline=2h; share.trip=any;
    retry.attempts=2; retry.backoff=1m; retry.budget=off" payments -- false &
child=$!
comes 'payments  open' status
end_child
expect 0 'NAME      STATE   SINCE                 WHY           PROBE' status
expect 0 'payments  open   20' status payments
expect 0 'Z  failure_rate  ' status payments
expect_not orders
expect 0 '"cause":"failure_rate","probe_in_ns":35' status --json payments
expect 0 orders status --check orders
expect 1 payments status --check payments
expect 2 "no process has opened a pipeline \"paymens\" on $url (namespace default), did you \
mean \"payments\"?
there are: orders payments" status paymens
KEEL_NAMESPACE=other expect 0 "on $url (namespace other) yet" status
KEEL_NAMESPACE='no such' expect 0 'KEEL_NAMESPACE' status

# A process that is gone in a moment hears first what the fleet knows.
expect 75 'not called: the breaker is open' exec --wait-share 20s --settings "$settings" \
    payments -- touch "$work/called"
if [ -e "$work/called" ]; then fail "a command was run that the fleet refuses"; else pass; fi
expect 0 '' exec --wait-share 20s --settings "$settings" orders -- true
KEEL_REDIS=redis://127.0.0.1:1 expect 0 called exec --wait-share 50ms \
    --settings "$settings" payments -- echo called
KEEL_REDIS='' expect 0 called exec --wait-share 20s --settings "$settings" payments -- \
    echo called

# Where to look: a board before a fleet, unless it is named.
KEEL_BOARD=$work/board "$keel" exec --settings 'none; share=host' ledger -- true
KEEL_BOARD=$work/board expect 0 ledger status
expect_not payments
KEEL_BOARD=$work/board expect 0 payments status --redis
expect_not ledger
KEEL_BOARD=$work/board expect 0 ledger status --board "$work/board" --redis
expect 0 ledger status --board "$work/board"
(unset KEEL_REDIS && "$keel" status --redis "$url" --check orders) >"$work/output" 2>&1
if grep -q orders "$work/output"; then pass; else fail "$(cat "$work/output")"; fi
expect 0 orders status --redis "$url" orders
expect 0 orders status "--redis=$url" orders
expect 0 orders status --redis orders
expect 2 'only a board keeps the last minute' status --history orders
expect 2 '--history is of one NAME, and alone' status --history orders payments

# Locks.
expect 0 'orders: locked open by alice at 20' lock orders open --actor alice \
    --reason 'moving the tables' --for 10m
expect 0 'open by alice, ' status orders
expect 0 ' left: moving the tables' status orders
expect 0 '"lock":{"lock":"open","actor":"alice","reason":"moving the tables","set_s":1' \
    status --json orders
expect 1 orders status --check orders
version=$(version_of orders)
expect 4 'keel lock: not done, orders: locked open by alice at 20' lock orders disabled
expect 4 'moving the tables
--replace takes its place' lock orders closed
expect 75 'an operator holds the breaker open' exec --wait-share 20s \
    --settings "$settings" orders -- true
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
expect 2 'did you mean "payments"?
there are: orders payments' lock payment open
expect 2 'no process has opened a pipeline "else where"' lock 'else where' open
expect 0 'locked observe by a?[31mb at 20' lock orders observe \
    --actor "$(printf 'a\033[31mb')" --redis "$url"
expect 0 'not locked' unlock --redis "$url" orders

# Limits that the fleet counts together.
rm "$work/go" && mkfifo "$work/go"
"$keel" exec --settings "$settings; bulkhead=40; bulkhead.scope=fleet; rate=1000/h;
    rate.scope=fleet" orders -- cat "$work/go" &
child=$!
comes 'orders: bulkhead of the fleet, ' status orders
expect 0 ' of 40 places leased' status orders
comes 'orders: rate of the fleet, ' status orders
expect 0 ' tokens left, 1000 in 1h' status orders
expect 0 '"limit":40,"others_wait":false},"rate":{"left":' status --json orders
let_go

# Events: there is no journal, but what happens is told.
expect 2 'Redis keeps no journal; --follow prints what happens from now on' events
expect 2 'Redis keeps no journal, so there is no --since' events --follow --since 10m
"$keel" events --follow >"$work/events" 2>"$work/errors" &
child=$!
tries=0
while [ ! -s "$work/events" ] && [ $tries -lt 400 ]; do
    "$keel" lock orders open --replace --actor alice --reason why >/dev/null
    sleep 0.05
    tries=$((tries + 1))
done
comes 'Z orders locked open by alice: why' "$work/events"
expect 0 '' unlock orders --actor bob
comes 'Z orders unlocked by bob' "$work/events"
kill "$server_pid" && wait "$server_pid" 2>/dev/null
comes 'keel events: trying again' "$work/errors"
if grep -q "^keel events: $url (namespace default): [^ ]" "$work/errors"; then
    pass
else
    fail "events --follow does not say what was lost: $(cat "$work/errors")"
fi
"$server" --port 0 --unixsocket "$work/socket" --save '' --dir "$work" >/dev/null &
server_pid=$!
comes 'there again' "$work/errors"
end_child
: >"$work/called"
"$keel" exec --settings "$settings" orders -- \
    sh -c "echo called >'$work/called'; cat '$work/go'" &
child=$!
comes called "$work/called" # before the pipeline is locked
"$keel" events --follow --json >"$work/json" &
follower=$!
tries=0
while [ ! -s "$work/json" ] && [ $tries -lt 400 ]; do
    "$keel" lock orders open --replace --actor alice >/dev/null
    sleep 0.05
    tries=$((tries + 1))
done
kill $follower && wait $follower 2>/dev/null
comes '{"schema":1,"sequence":1,"at":"20' "$work/json"
comes '"name":"orders","type":"locked","pid":null,"lock":"open","actor":"alice","reason":"",' \
    "$work/json"
comes '"cause":"none","calls":null,"failures":null}' "$work/json"
let_go

# A password: none, a wrong one, the right one in a file.
redis_cli=${server%-server}-cli
"$redis_cli" -s "$work/socket" config set requirepass sesame >/dev/null
expect 69 NOAUTH status
echo wrong >"$work/password"
KEEL_REDIS_PASSWORD_FILE=$work/password
export KEEL_REDIS_PASSWORD_FILE
expect 69 WRONGPASS status
echo sesame >"$work/password"
expect 0 orders status
expect_not sesame

# A server that does not answer.
kill -STOP "$server_pid"
KEEL_REDIS__TIMEOUT=50ms expect 69 "$url (namespace default): " status
KEEL_REDIS__TIMEOUT=50ms expect 69 "$url (namespace default): " lock orders open
kill -CONT "$server_pid"
report
