#!/bin/sh
# SPDX-License-Identifier: MIT
# A job for cron that leaves a service alone while it is down. All jobs that name the same
# board share one breaker, so the first to find out spares the others. In a crontab:
#
#   */5 * * * *  cron.sh curl -fsS -o /srv/rates.json https://ledger.example/rates
set -u

KEEL_BOARD=${KEEL_BOARD:-${XDG_RUNTIME_DIR:-/run}/jobs.board}
export KEEL_BOARD

# Whoever runs the machine may say otherwise with KEEL_LEDGER; keel-settings(5).
settings='timeout=1m; deadline=1m; retry.attempts=1; breaker.consecutive=3;
    breaker.open=15m'

keel exec --settings "$settings" ledger -- "$@"
status=$?
if [ $status -eq 75 ]; then
    exit 0 # it is down, and known to be: no mail, the next run asks again
fi
exit $status
