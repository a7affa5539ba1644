#!/bin/sh
# SPDX-License-Identifier: MIT
# keel beside its peers, in one table: everybody is timed once a round, in turn, and the
# median over the rounds counts. A peer that is not installed is said, not guessed.
# peers.sh --install gets them first: Go and its libraries from Debian, opossum and
# cockatiel from npm. Run in the build directory, by `make bench` and `make bench-peers`.
set -u
src=${srcdir:-$(dirname "$0")/..}
rounds=15
go_packages='golang-go golang-gopkg-eapache-go-resiliency.v1-dev
    golang-golang-x-time-dev golang-github-juju-ratelimit-dev'
peers=$PWD/bench/peers-installed

install_node()
{
    command -v npm >/dev/null || "$src/scripts/deps" nodejs npm || return 1
    cp "$src/bench/peers/package.json" "$src/bench/peers/peers.mjs" "$peers" &&
        (cd "$peers" && npm install --no-package-lock --no-audit --no-fund --loglevel=error)
}

install_go()
{
    # shellcheck disable=SC2086
    "$src/scripts/deps" $go_packages &&
        GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$peers/cache \
            go build -o "$peers/peers-go" "$src/bench/peers/peers.go"
}

one_round()
{
    bench/beside || return 1
    [ ! -x "$peers/peers-go" ] || "$peers/peers-go"
    [ ! -d "$peers/node_modules" ] || (cd "$peers" && node peers.mjs)
}

# Lines `what who nanoseconds`, keel's first in every round, become one line a pair.
table()
{
    awk -v json="${BENCH_JSON-}" '
        function median(text, n, v, i, j, t) {
            n = split(text, v, " ")
            for (i = 2; i <= n; i++)
                for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) {
                    t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
                }
            least = v[1]; most = v[n]
            return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
        }
        {
            pair = $1 " " $2
            if (!(pair in ns)) order[++pairs] = pair
            if ($2 == "keel") keel[$1] = $3
            ns[pair] = ns[pair] " " $3
            ratio[pair] = ratio[pair] " " $3 / keel[$1]
        }
        END {
            printf "%-10s %-16s %10s %21s %8s\n", "what", "who", "median ns", "min..max", \
                "x keel"
            for (i = 1; i <= pairs; i++) {
                split(order[i], name, " ")
                times = median(ratio[order[i]])
                middle = median(ns[order[i]])
                printf "%-10s %-16s %10.1f %21s %8.2f\n", name[1], name[2], middle, \
                    sprintf("%.1f..%.1f", least, most), times
                if (json != "")
                    printf "{\"name\": \"beside: %s, %s\", \"median\": %.1f, " \
                        "\"min\": %.1f, \"max\": %.1f, \"unit\": \"ns\", " \
                        "\"against\": \"keel\", \"floor\": %.1f, \"ratio\": %.2f, " \
                        "\"goal\": null}\n", name[1], name[2], middle, least, most, \
                        middle / times, times >>json
            }
        }'
}

mkdir -p "$peers" || exit 1
if [ "${1-}" = --install ]; then
    install_node || echo "opossum and cockatiel cannot be installed"
    install_go || echo "the Go libraries cannot be installed"
fi
echo "== keel beside its peers, $rounds rounds in turn =="
[ -d "$peers/node_modules" ] || echo "opossum, cockatiel: not installed (make bench-peers)"
[ -x "$peers/peers-go" ] ||
    echo "go-resiliency, x/time/rate, juju/ratelimit: not installed (make bench-peers)"
round=0
while [ $round -lt $rounds ]; do
    one_round || exit 1
    round=$((round + 1))
done | table
echo "go-resiliency keeps no window: it counts failures in a row. Rejections of opossum and"
echo "cockatiel are exceptions, those of keel_run carry a detail with a sentence."
echo
