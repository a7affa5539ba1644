#!/bin/sh
# SPDX-License-Identifier: MIT
# keel config as an operator meets it, and the page on settings against the table. Run
# from the build directory.
set -u
src=${srcdir:-$(dirname "$0")/../..}
. "$src/tests/support/report.sh"

keel=./keel
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# expect CODE WORDS VARIABLE... -- ARGUMENT...: exit status, and words among the output.
expect()
{
    code=$1 words=$2
    shift 2
    variables=
    while [ "$1" != -- ]; do
        variables="$variables $1"
        shift
    done
    shift
    # shellcheck disable=SC2086
    output=$(env $variables "$keel" config "$@" 2>&1)
    got=$?
    case $output in
    *"$words"*) [ "$got" -eq "$code" ] && { pass; return; } ;;
    esac
    fail "keel config $*: exit $got, not $code with \"$words\": $output"
}

[ -x "$keel" ] || { fail "no $keel here"; report; exit 1; }

"$keel" config list --mdoc >"$work/page"
if cmp -s "$work/page" "$src/man/keel-settings.5"; then
    pass
else
    fail "keel-settings.5 is not what keel config list --mdoc prints"
fi

# The page's own example of a file is right, but for what it shows: a name twice.
sed -n '/^# everybody/,/^\.Ed/{/^\.Ed/!p;}' "$work/page" >"$work/example"
expect 3 ':4 col 1: payments stands here a second time' -- check "$work/example"
if [ "$(echo "$output" | wc -l)" -eq 1 ]; then
    pass
else
    fail "the example of a file: $output"
fi
expect 0 'timeout                      800ms        file' \
    KEEL_CONFIG_FILE="$work/example" -- explain payments

expect 0 'timeout                      2s           built-in' -- explain payments
expect 0 'preset patient' KEEL_PAYMENTS=patient -- explain payments
expect 0 'KEEL_PAYMENTS col 1' KEEL_PAYMENTS=timeout=1s -- explain payments
expect 0 'timeout                      1.5s         code col 1' \
    -- explain payments --settings timeout=1500ms
expect 0 '5s..60s      built-in' -- explain payments
expect 0 'rate.burst                   -            built-in: no effect' -- explain payments
expect 0 'timeout                      3s           fence (code col 1): KEEL_PAYMENTS col 1 wished' \
    KEEL_PAYMENTS=timeout=9s -- explain payments --settings 'timeout<=3s'
expect 0 '"key":"timeout","value":"1s","layer":"KEEL_<NAME>"' \
    KEEL_PAYMENTS=timeout=1s -- explain payments --json
expect 0 'KEEL_MY_TCP_PROXY col 1' KEEL_MY_TCP_PROXY=timeout=1s -- explain my-tcp-proxy
expect 0 'did you mean KEEL_PAYMENTS__TIMEOUT (two underscores)?' \
    KEEL_PAYMENTS_TIMEOUT=1s -- explain payments
expect 0 'KEEL_DISABLED is on: none of these settings is in force
preset standard' KEEL_DISABLED=on -- explain payments
expect 0 'KEEL_DISABLED col 1: "1" not understood, did you mean "on"?' KEEL_DISABLED=1 \
    -- explain payments
expect 78 'no name for a pipeline' -- explain Payments

# Only what somebody has said; nothing else is left of the table.
expect 0 'timeout                      1s           KEEL_PAYMENTS col 1' \
    KEEL_PAYMENTS=timeout=1s -- explain --changed payments
case $output in
"preset standard
timeout "*built-in*) fail "explain --changed prints what is built in: $output" ;;
*) pass ;;
esac
expect 0 '{"name":"payments","preset":"standard","settings":[
{"key":"timeout","value":"1s","layer":"KEEL_<NAME>","source":"KEEL_PAYMENTS col 1","note":""}
]}' KEEL_PAYMENTS=timeout=1s -- explain --changed --json payments
expect 78 'unknown setting' KEEL_STRICT=on KEEL_PAYMENTS=timeot=1s -- explain payments
expect 2 'keel config explain: which NAME?
usage' -- explain
expect 2 'explain: one NAME only' -- explain one two
expect 2 'no NAME is left behind the TEXT of --settings' -- explain --settings payments
expect 2 'keel config explain: ' -- explain --nonsense
expect 2 'no subcommand' -- invent
expect 2 'what? explain, list or check' --
for help in --help -h; do
    expect 0 'usage: keel config explain' -- "$help"
    expect 0 'usage: keel config explain' -- explain "$help"
    expect 0 'usage: keel config explain' -- list "$help"
    expect 0 'what is wrong in the environment' -- check "$help"
    for subcommand in '' version; do
        # shellcheck disable=SC2086
        output=$("$keel" $subcommand "$help" 2>&1) && case $output in
        'usage: keel '*'keel config'*'on a virtual clock'*) pass ;;
        *) fail "keel $subcommand $help: $output" ;;
        esac
    done
    case $("$keel" simulate "$help") in
    'usage: keel simulate'*) pass ;;
    *) fail "keel simulate $help" ;;
    esac
done

expect 0 'breaker.half_open_permits' -- list
expect 0 '"key":"deadline"' -- list --json
expect 2 'list: takes --json or --mdoc' -- list --yaml
expect 2 'list: takes --json or --mdoc' -- list --json --mdoc

# Who reads "0 names" has looked in the wrong place.
expect 0 '1 name, no mistakes' KEEL_PAYMENTS=timeout=1s -- check
expect 0 '0 names, no mistakes' -- check
expect 0 '2 names, no mistakes' KEEL_PAYMENTS=timeout=1s KEEL_ORDERS__TIMEOUT=1s -- check
expect 78 'KEEL_DISABLED is on: none of these settings is in force
keel config: KEEL_PAYMENTS col 9' KEEL_DISABLED=on KEEL_PAYMENTS=timeout=1 -- check
expect 78 'did you mean KEEL_PAYMENTS__TIMEOUT (two' KEEL_PAYMENTS_TIMEOUT=1s -- check
for variable in KEEL_payments=timeout=1s KEEL_PAYMENTS-API=timeout=1s keel_payments=careful; do
    expect 78 'variables are upper case' "$variable" -- check
done
expect 3 'bulkhead.wait=0' KEEL_PAYMENTS=bulkhead.queue=5 -- check
expect 3 'DEFAULT: bulkhead.queue=3 with bulkhead.wait=0' KEEL_DEFAULT=bulkhead.queue=3 \
    -- check
expect 3 'DEFAULT: bulkhead.queue=3' KEEL_DEFAULT=bulkhead.queue=3 \
    'KEEL_PAYMENTS=bulkhead.wait=1s' -- check
expect 0 '' KEEL_DEFAULT=timeout=1s -- check
expect 78 'needs a unit' KEEL_PAYMENTS=timeout=1 -- check
expect 78 'KEEL_PORT_SCAN__RETRY_ATTEMPTS col 1' KEEL_PORT_SCAN__RETRY_ATTEMPTS=0 -- check
expect 0 '' KEEL_PORT_80_TCP_ADDR=10.0.0.1 KEEL_SERVICE_PORT=80 -- check
expect 78 'KEEL_STRICT' KEEL_STRIKT=on -- check
expect 78 'KEEL_STRICT col 1: "yes" not understood' KEEL_STRICT=yes -- check
expect 0 '' KEEL_STRICT=off -- check
expect 78 'col 9' KEEL_STRICT=on KEEL_PAYMENTS=timeout=1 KEEL_ORDERS=timeout=2 -- check
expect 78 'KEEL_ORDERS col 9' \
    KEEL_STRICT=on KEEL_PAYMENTS=timeout=1 KEEL_ORDERS=timeout=2 -- check

# Sharing: what cannot be had is a doubt, a wrong variable a mistake.
expect 0 'share                        fleet        built-in: fleet where KEEL_REDIS' \
    KEEL_REDIS=unix:/run/redis.sock -- explain payments
expect 0 'share                        off          built-in: fleet where KEEL_REDIS' \
    -- explain payments
expect 0 'bulkhead.scope               host         KEEL_PAYMENTS col 1: KEEL_PAYMENTS col 1 wished for fleet' \
    KEEL_BOARD=/run/board KEEL_PAYMENTS=bulkhead.scope=fleet -- explain payments
expect 3 'KEEL_ORDERS col 1: share=fleet needs KEEL_REDIS, which is not set; off holds' \
    KEEL_ORDERS=share=fleet -- check
expect 0 '1 name, no mistakes' KEEL_ORDERS=share=fleet KEEL_REDIS=redis://cache -- check
echo sesame >"$work/password"
expect 0 '0 names, no mistakes' KEEL_BOARD="$work/board" KEEL_REDIS=redis://cache \
    KEEL_REDIS_PASSWORD_FILE="$work/password" KEEL_REDIS__TIMEOUT=50ms KEEL_NAMESPACE=eu -- check
if [ -e "$work/board" ]; then fail "a check has made a board"; else pass; fi
expect 78 'KEEL_BOARD col 1: "board" not understood' KEEL_BOARD=board -- check
expect 78 'KEEL_REDIS__TIMEOUT col 1: "50" needs a unit' KEEL_REDIS__TIMEOUT=50 -- check
expect 78 'KEEL_NAMESPACE col 1: "a/b" not understood' KEEL_NAMESPACE=a/b -- check
expect 78 'keel config: KEEL_REDIS: begins with none of redis://' KEEL_REDIS=nonsense -- check
expect 78 'keel config: KEEL_REDIS: begins with none of redis://' KEEL_STRICT=on \
    KEEL_REDIS=nonsense -- check
expect 78 'KEEL_REDIS: host 2 is not a host' KEEL_REDIS=redis+cluster://a,,c -- check
expect 78 'KEEL_REDIS: what follows host "cache" is not a port' KEEL_REDIS=redis://cache:0 -- check
expect 78 'KEEL_REDIS: after unix:PATH only ?db=N is known' \
    KEEL_REDIS=unix:/run/redis.sock?user=joe -- check
expect 78 'KEEL_BOARD: the board /nowhere/board cannot be made: No such file or directory' \
    KEEL_BOARD=/nowhere/board -- check
expect 78 "KEEL_BOARD: the board $work cannot be opened: Is a directory" KEEL_BOARD="$work" -- check
expect 78 'KEEL_REDIS_PASSWORD_FILE: the file it names cannot be read: No such file' \
    KEEL_REDIS_PASSWORD_FILE=hunter2 -- check
case $output in
*hunter*) fail 'keel config check tells what stands for the path of a password' ;;
*) pass ;;
esac
expect 78 '{"where":"KEEL_REDIS","line":null,"column":null,"severity":"error","message":"host 1 is' \
    KEEL_REDIS=redis:// -- check --json
expect 78 'KEEL_DISABLED is on: none of these settings is in force
keel config: KEEL_REDIS: host 1' KEEL_DISABLED=on KEEL_REDIS=redis:// -- check
for form in check 'check --json' 'explain payments' 'explain --json payments'; do
    code=0
    case $form in check*) code=3 ;; esac
    # shellcheck disable=SC2086
    expect "$code" 'KEEL_REDIS_PASSWORD_FILE names a file for it' \
        KEEL_REDIS=redis://:hunter2@cache -- $form
    case $output in
    *hunter*) fail "keel config $form prints the password of KEEL_REDIS" ;;
    *) pass ;;
    esac
done
expect 0 'KEEL_REDIS__TIMEOUT
    How long' -- list
expect 0 '"variable":"KEEL_NAMESPACE","allowed":' -- list --json

# No pipeline is known here: what is meant as settings is found out from what it says.
expect 78 'KEEL_ORDERS col 1: unknown setting "timeot", did you mean "timeout"?' \
    KEEL_ORDERS=timeot=1s -- check
expect 78 'KEEL_ORDERS col 1: unknown setting "stall"' KEEL_ORDERS=stall=10m -- check
expect 78 'unknown preset "carefull", did you mean "careful"?' KEEL_ORDERS=carefull \
    -- check
expect 78 'did you mean "KEEL_ORDERS__TIMEOUT"?' KEEL_ORDERS__TIMEOUTT=3s -- check
expect 78 'KEEL_ORDERS__STALL: unknown setting' KEEL_ORDERS__STALL=10m -- check

printf 'payments=timeout=1s\n' >"$work/right"
printf 'payments=timeout=1s\norders=timeot=1s; deadline=1s\n' >"$work/wrong"
expect 0 '' -- check "$work/right"
expect 78 ':2 col 8: unknown setting "timeot"' -- check "$work/wrong"
printf 'DEFAULT=bulkhead.queue=3\n' >"$work/doubtful"
expect 3 'DEFAULT: bulkhead.queue=3' -- check "$work/doubtful"

# A file that cannot be read is named as it was given, and the system says why.
expect 78 'missing: cannot be opened: No such file or directory' -- check "$work/missing"
case $output in
*KEEL_CONFIG_FILE*) fail "a variable is blamed for an argument: $output" ;;
*) pass ;;
esac
expect 78 'KEEL_CONFIG_FILE: "missing" cannot be opened: No such file or directory' \
    KEEL_CONFIG_FILE=missing -- check
case $output in
*ignored*) fail "a file that cannot be read is said to be ignored: $output" ;;
*) pass ;;
esac
expect 0 '' KEEL_CONFIG_FILE=missing -- check "$work/right"
expect 78 'is not a plain file' -- check "$work"
colour=$(printf '\033[31m')
printf 'orders=timeot=1s\n' >"$work/$colour"
expect 78 '/?[31m:1 col 8: unknown setting "timeot"' -- check "$work/$colour"
expect 78 '/?[31mno: cannot be opened' -- check "$work/${colour}no"

# The same for programs: a finding has its place, and a doubt is no mistake beside one.
expect 0 '{"ok":true,"findings":[' KEEL_PAYMENTS=timeout=1s -- check --json
expect 78 '{"ok":false,"findings":[
{"where":"KEEL_PAYMENTS","line":null,"column":9,"severity":"error","message":"timeout \"1\" needs' \
    KEEL_PAYMENTS=timeout=1 -- check --json
expect 78 "{\"where\":\"$work/wrong\",\"line\":2,\"column\":8,\"severity\":\"error\",\"message\":\"unknown setting" \
    -- check --json "$work/wrong"
expect 78 "{\"where\":\"$work/wrong\",\"line\":2,\"column\":8," \
    KEEL_CONFIG_FILE="$work/wrong" -- check --json
expect 78 "{\"where\":\"$work/missing\",\"line\":null,\"column\":null,\"severity\":\"error\",\"message\":\"cannot be opened: No such" \
    -- check --json "$work/missing"
expect 78 '{"where":"KEEL_CONFIG_FILE","line":null,"column":null,"severity":"error","message":"\"missing\" cannot' \
    KEEL_CONFIG_FILE=missing -- check --json
expect 78 '{"where":"KEEL_TOKEN","line":null,"column":null,"severity":"error","message":"no pipeline' \
    KEEL_TOKEN=hunter2 -- check --json
expect 78 '{"where":"\"KEEL_\"","line":null,' KEEL_=3 -- check --json
expect 78 '{"where":"KEEL_A","line":null,"column":12,"severity":"error","message":"timeout.connect=2s must' \
    'KEEL_A=timeout=1s;timeout.connect=2s' -- check --json
expect 3 '{"ok":false,"findings":[
{"where":"a","line":null,"column":null,"severity":"warning","message":"bulkhead.queue=5 with' \
    KEEL_A=bulkhead.queue=5 -- check --json
for doubt in 'timeout=9s;deadline=5s: is longer than' 'deadline=4s: can never start' \
    'deadline=5s: is cut short' 'breaker.open=20s: no retry can wait' 'bulkhead.queue=5: nobody' \
    'bulkhead.wait=1s: nobody' 'bulkhead.queue=5;bulkhead.wait=20s: is longer than' \
    'timeout=1s;timeout=2s: stands here' 'breaker=off;breaker.open=1s: and on again' \
    'rate.burst=5: has no effect'; do
    expect 78 'unknown setting \"x\""' "KEEL_A=x=1;${doubt%%: *}" -- check --json
    found=$(echo "$output" | grep -F "${doubt#*: }")
    case $found in
    *'"severity":"warning"'*) pass ;;
    *) fail "keel config check --json: no warning of ${doubt%%: *}: $output" ;;
    esac
done
case $(env 'KEEL_A: B=1' "$keel" config check --json) in
*'{"where":"\"KEEL_A: B\"","line":null'*) pass ;;
*) fail "keel config check --json: a name with a colon is cut in two" ;;
esac
i=0
while [ $i -lt 300 ]; do
    echo "a$i=timeot=1s"
    i=$((i + 1))
done >"$work/many" # more than are kept
expect 78 "\"where\":\"$work/many\",\"line\":1,\"column\":4," -- check --json "$work/many"
if [ "$(echo "$output" | grep -c timeot)" -eq 300 ]; then
    pass
else
    fail "not 300 findings"
fi
expect 2 usage -- check --nonsense
expect 2 'check: one FILE at most' -- check one two

# Bags are looked at as they would be opened, and nothing is: no store is made, no server
# asked, and no variable of a bag is nobody's.
expect 0 '3 names, no mistakes' "KEEL_BAG_SHOP=failover{journal=$work/keys}(\$FAST,file://$work/bag)" \
    'KEEL_BAG_FAST=resilient(redis://nowhere.invalid)' KEEL_ORDERS=timeout=1s -- check
if [ -e "$work/bag" ]; then fail "a check has made a store"; else pass; fi
expect 78 'KEEL_BAG_SHOP col 1: there is no store "memry"; did you mean "memory"?' \
    KEEL_BAG_SHOP=memry:// -- check
expect 78 'KEEL_BAG_SHOP col 11: there is no option "timeot"; did you mean "timeout"?' \
    'KEEL_BAG_SHOP=resilient{timeot=1s}(memory://)' -- check
expect 78 'KEEL_SHOP_RESILIENT col 1: unknown setting "timeot"' \
    'KEEL_BAG_SHOP=resilient(memory://)' KEEL_SHOP_RESILIENT=timeot=1s -- check
expect 78 'KEEL_BAG_SHOP col 1: hedge: delay is a time, or a quantile as p95 or p95@50ms' \
    'KEEL_BAG_SHOP=hedge{delay=soon}(file:///s)' -- check
expect 78 'KEEL_SHOP_HEDGE col 1: unknown setting "timeot"' \
    'KEEL_BAG_SHOP=hedge(file:///s)' KEEL_SHOP_HEDGE=timeot=1s -- check
expect 0 '1 name, no mistakes' 'KEEL_BAG_SHOP=resilient(memory://)' \
    KEEL_SHOP_RESILIENT=timeout=1s -- check
expect 78 'KEEL_BAG_SHOP col 1: KEEL_BAG_FAST is not set' "KEEL_BAG_SHOP=\$FAST" -- check
expect 3 'KEEL_BAG_SHOP col 1: redis is a server, and nothing gives it a timeout' \
    KEEL_BAG_SHOP=redis://h -- check
expect 3 '{"where":"KEEL_BAG_SHOP","line":null,"column":5,"severity":"warning","message":"log.source' \
    'KEEL_BAG_SHOP=log(redis://h)' KEEL_STRICT=on -- check --json
expect 78 '{"where":"KEEL_BAG_SHOP","line":null,"column":13,"severity":"error","message":"expected' \
    'KEEL_BAG_SHOP=log(file:///' -- check --json
expect 78 'KEEL_BAG_1: no bag of that name' KEEL_BAG_1=memory:// -- check
echo hunter2 >"$work/secret"
expect 0 '1 name, no mistakes' "KEEL_BAG_SHOP=resilient(redis://h?password_file=$work/secret)" \
    -- check
expect 0 '1 name, no mistakes' KEEL_SHOP_SECRET=sesame \
    'KEEL_BAG_SHOP=resilient(redis://h?password_env=KEEL_SHOP_SECRET)' -- check
expect 0 '1 name, no mistakes' KEEL_BAG_A_SECRET=sesame \
    'KEEL_BAG_SHOP=resilient(redis://h?password_env=KEEL_BAG_A_SECRET)' -- check
expect 78 'KEEL_BAG_SHOP col 21: password_file: the file it names cannot be read: No such file' \
    "KEEL_BAG_SHOP=resilient(redis://h?password_file=$work/none)" -- check

# The same of one spec, for who writes it.
expect_bag()
{
    code=$1 words=$2 spec=$3
    output=$("$keel" bag check "$spec" 2>&1)
    got=$?
    case $output in
    *"$words"*) [ "$got" -eq "$code" ] && { pass; return; } ;;
    esac
    fail "keel bag check $spec: exit $got, not $code with \"$words\": $output"
}
expect_bag 0 'no mistakes' "resilient(file://$work/bag)"
if [ -e "$work/bag" ]; then fail "keel bag check has made a store"; else pass; fi
expect_bag 3 'keel bag: keel-bag col 1: redis is a server' redis://h
expect_bag 78 'keel bag: keel-bag col 1: there is no store "memry"' memry://
expect_bag 78 'keel-bag col 11: there is no option "timeot"; did you mean "timeout"?' \
    'resilient{timeot=1s}(memory://)'

# A variable that does not read like settings may hold anything, a secret too.
for secret in hunter2 aHVudGVyMg= aHVudGVyMg== hunter2hunter=x 'hunter==' =hunter ';'; do
    expect 78 'KEEL_TOKEN: no pipeline' "KEEL_TOKEN=$secret" -- check
    case $output in
    *unter* | *HVud*) fail "keel config check prints the value of an unknown variable" ;;
    *) pass ;;
    esac
done
report
