#!/bin/sh
# SPDX-License-Identifier: MIT
# What keel promises of every bag, of the stores that need no server.
set -u
src=${srcdir:-$(dirname "$0")/../..}
. "$src/tests/support/report.sh"

unset KEEL_BAG_CONFORM

# holds NAME SPEC: the kit passes over the bag
holds()
{
    if said=$(./keel-conform --quiet "$2" 2>&1); then
        pass
    else
        fail "$1: $said"
    fi
}

holds memory 'memory://?allow_flush=on'
holds 'memory with a limit' 'memory://?allow_flush=on&max=256MiB'
holds readonly 'readonly{on=off}(memory://?allow_flush=on)'
holds 'fault that is not allowed' 'fault{p=100%}(memory://?allow_flush=on)'
holds log 'log(memory://?allow_flush=on)'
holds cache 'cache(memory://?allow_flush=on, memory://?allow_flush=on)'
holds 'cache that cannot be emptied' 'cache(memory://, memory://?allow_flush=on)'
holds 'cache that is written through' \
    'cache{on_write=write_through; negative_ttl=1s}(memory://, memory://?allow_flush=on)'
holds 'cache that forgets at once, over others' \
    'cache{ttl=1ms; stale=5ms}(memory://?max=1MiB, log(readonly{on=off}(memory://?allow_flush=on)))'
report
