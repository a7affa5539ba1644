#!/bin/sh
# SPDX-License-Identifier: MIT
# What keel promises of every bag, of the stores that need no server.
set -u
src=${srcdir:-$(dirname "$0")/../..}
. "$src/tests/support/report.sh"

unset KEEL_BAG_CONFORM
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# A plugin is loaded from where nobody else can write, whatever the builder's umask.
mkdir -m 755 "$work/plugins"
export KEEL_PLUGIN_PATH="$work/plugins"

# holds NAME SPEC: the kit passes over the bag
holds()
{
    if said=$(./keel-conform --quiet "$2" 2>&1); then
        pass
    else
        fail "$1: $said"
    fi
}

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

holds 'a flat file' "file://$dir/full?allow_flush=on"
holds 'a flat file, its items synced' "file://$dir/data?allow_flush=on&sync=data"
holds 'a flat file, nothing synced' "file://$dir/none?allow_flush=on&sync=none"
holds memory 'memory://?allow_flush=on'
holds 'memory of small values' 'memory://?allow_flush=on&value_max=2KiB'
holds 'memory with a small limit' 'memory://?allow_flush=on&max=1MiB'
holds 'memory with a limit' 'memory://?allow_flush=on&max=256MiB'
holds readonly 'readonly{on=off}(memory://?allow_flush=on)'
holds 'fault that is not allowed' 'fault{p=100%}(memory://?allow_flush=on)'
holds log 'log(memory://?allow_flush=on)'
holds hedge 'hedge(memory://?allow_flush=on, memory://?allow_flush=on)'
holds 'hedge, its reads on workers' \
    "hedge{delay=0; hedge.budget=100%}(file://$dir/hedged?allow_flush=on&sync=none)"
holds cache 'cache(memory://?allow_flush=on, memory://?allow_flush=on)'
holds 'cache that cannot be emptied' 'cache(memory://, memory://?allow_flush=on)'
holds 'cache that is written through' \
    'cache{on_write=write_through; negative_ttl=1s}(memory://, memory://?allow_flush=on)'
holds 'cache that forgets at once, over others' \
    'cache{ttl=1ms; stale=5ms}(memory://?max=1MiB, log(readonly{on=off}(memory://?allow_flush=on)))'

# The example of a plugin has get and cas; append, incr, touch and replace are made of them.
# build NAME SOURCE; flags are lists of words
build()
{
    # shellcheck disable=SC2086
    ${CC:-cc} -std=c11 -I"$src/include" -fPIC -pthread -shared ${SANITIZER_CFLAGS-} \
        -o "$work/plugins/keel_bag_$1.so" "$2" -L.libs -lkeel
}
if build shelf "$src/examples/plugin/shelf.c"; then
    holds 'what keel makes of get and cas' 'shelf://?places=2000'
else
    fail "the example of a plugin cannot be built"
fi

# What a store loses is told as what was expected and what is.
# loses SPEC WORDS
loses()
{
    if said=$(./keel-conform --quiet "$1" 2>&1); then
        fail "$1 passes: $said"
    else
        case $said in
        *"$2"*) pass ;;
        *) fail "$1: not \"$2\": $said" ;;
        esac
    fi
}
sed -e 's/"shelf"/"torn"/' -e 's/= put->flags/= 0/' \
    -e 's/length = put->value.length,/length = put->value.length \/ 2,/' \
    "$src/examples/plugin/shelf.c" >"$work/torn.c"
if build torn "$work/torn.c"; then
    loses 'torn://?places=2000' \
        'FAIL what_is_set_comes_back: expected the value "one", not "o" of 1 bytes (values.c:'
    loses 'torn://?places=2000' \
        'FAIL flags_come_back_and_are_replaced: expected flags 4275878552, not 0 (values.c:'
else
    fail "a store that loses things cannot be built"
fi
if install -m 755 .libs/keel_bag_sqlite.so "$work/plugins" 2>/dev/null; then
    holds sqlite "sqlite://$work/full.db?allow_flush=on"
    holds 'sqlite without sync' "sqlite://$work/off.db?sync=off&connections=1"
else
    skip "no store in SQLite was built"
fi
holds resilient 'resilient(memory://?allow_flush=on)'
holds failover 'failover(memory://?allow_flush=on, memory://?allow_flush=on)'
holds 'failover of resilient ones' \
    'failover(resilient(memory://), resilient{preset=careful}(memory://), memory://)'
holds 'resilient failover' 'resilient{timeout=5s}(failover{on_miss=on}(memory://, memory://))'

# Three of ten operations are refused, and nobody sees it.
KEEL_CHAOS=allow
export KEEL_CHAOS
holds 'resilient over faults' \
    'resilient{retry.attempts=30; retry.backoff=0; retry.budget=off; breaker=off}(fault{p=30%; kind=error}(memory://?allow_flush=on))'
unset KEEL_CHAOS
report
