#!/bin/sh
# SPDX-License-Identifier: MIT
# How fast keel simulate goes: calls of one repeated step, and steps that print a line.
# Run in the build directory, by `make bench`.
set -u
calls=2000000
steps=100000
runs=5

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

cat >"$work/calls" <<SCENARIO
{"settings": "standard", "steps": [{"call": "ok", "times": $calls}]}
SCENARIO

# A dependency that fails now and then, comes and goes.
awk -v steps=$steps 'BEGIN {
    print "{\"settings\": \"standard; retry.backoff=10ms\", \"steps\": ["
    for (i = 1; i <= steps; i++) {
        step = "{\"call\": [\"fail\", \"ok\"]}"
        if (i % 4 == 0)
            step = "{\"advance\": \"250ms\"}"
        else if (int(i / 1000) % 5 == 4)
            step = "{\"call\": \"fail\"}"
        print step (i < steps ? "," : "]}")
    }
}' >"$work/steps"

# seconds SCENARIO: the wall time of each run, a line each
seconds()
{
    run=0
    while [ $run -lt $runs ]; do
        begun=$(date +%s%N)
        ./keel simulate "$1" >"$work/output" || return 1
        ended=$(date +%s%N)
        echo $((ended - begun))
        run=$((run + 1))
    done
}

# row NAME UNIT COUNT GOAL, with the times on standard input
row()
{
    sort -n | awk -v name="$1" -v unit="$2" -v count="$3" -v goal="$4" \
        -v json="${BENCH_JSON-}" '
        { speed[NR] = count / ($1 / 1e9) }
        END {
            middle = speed[int((NR + 1) / 2)]
            verdict = middle >= goal ? "met" : "NOT MET"
            printf "%-44s %12.0f %s/s  %.0f..%.0f  goal >= %d %s\n", name, middle, unit, \
                speed[NR], speed[1], goal, verdict
            if (json != "")
                printf "{\"name\": \"%s\", \"median\": %.0f, \"min\": %.0f, " \
                    "\"max\": %.0f, \"unit\": \"%s/s\", \"against\": \"one second\", " \
                    "\"floor\": 1, \"ratio\": %.0f, \"goal\": %d, " \
                    "\"goal_is_least\": true, \"verdict\": \"%s\"}\n",
                    name, middle, speed[NR], speed[1], unit, middle, goal, verdict >>json
        }'
}

echo "== keel simulate, wall time of whole runs, $runs of each =="
seconds "$work/calls" >"$work/seconds" || exit 1
row "simulated calls, one step" calls $calls 1000000 <"$work/seconds"
seconds "$work/steps" >"$work/seconds" || exit 1
row "simulated steps, each a line" steps $steps 50000 <"$work/seconds"
echo
