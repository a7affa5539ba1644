#!/bin/sh
# SPDX-License-Identifier: MIT
# What keel_curl_perform costs over curl_easy_perform, against a private nginx on
# loopback: wall time, and instructions of the client as callgrind counts them. The goal
# is two per cent of either; wall time alone varies by more than that here. Then keel_http
# beside a loop around libcurl's multi interface.
# Run in the build directory, by `make bench`.
set -u
src=${srcdir:-$(dirname "$0")/..}
. "$src/tests/support/callgrind.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

cat >"$work/nginx" <<'CONFIG'
server {
    listen 127.0.0.1:@PORT@;
    keepalive_requests 1000000;
    location / { return 200 "hello\n"; }
}
CONFIG

with_nginx()
{
    tests/support/with_nginx "$work/nginx" "$@"
}

# per_request N: instructions of one request; the loops are dumps N and N + 1.
per_request()
{
    echo $((($(summary_of "$work" $(($1 + 1))) - $(summary_of "$work" "$1")) / 400))
}

with_nginx bench/transfers
case $? in
0) ;;
77) echo "no nginx: libcurl is not measured"; exit 0 ;;
*) exit 1 ;;
esac

with_nginx bench/client || exit 1
echo

command -v valgrind >/dev/null || { echo "no valgrind: nothing is counted"; exit 0; }
callgrind_copy "$work" transfers || exit 1
LD_LIBRARY_PATH=$work
export LD_LIBRARY_PATH

# Client and server share a processor, so that every answer is waited for alike: else
# libcurl finds some of them there already, and the count differs by a per cent.
taskset -c "$(taskset -cp $$ | sed 's/.*[ ,-]//')" \
    tests/support/with_nginx "$work/nginx" valgrind --tool=callgrind \
    --dump-before=path_mark --callgrind-out-file="$work/dump" \
    "$work/transfers" - >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
raw=$(per_request 2)
kept=$(per_request 5)
awk -v raw="$raw" -v kept="$kept" -v json="${BENCH_JSON-}" 'BEGIN {
    ratio = kept / raw
    verdict = ratio <= 1.02 ? "met" : "NOT MET"
    printf "client instructions of a request: curl_easy_perform %d, keel_curl_perform %d: " \
        "ratio %.4f, goal <= 1.02 %s\n\n", raw, kept, ratio, verdict
    if (json != "")
        printf "{\"name\": \"GET, kept connection, client instructions\", " \
            "\"median\": %d, \"min\": %d, \"max\": %d, \"unit\": \"instructions\", " \
            "\"against\": \"curl_easy_perform\", \"floor\": %d, \"ratio\": %.4f, " \
            "\"goal\": 1.02, \"goal_is_least\": false, \"verdict\": \"%s\"}\n",
            kept, kept, kept, raw, ratio, verdict >>json
}'
