#!/bin/sh
# SPDX-License-Identifier: MIT
# Run in a build directory: what `make install` puts down is enough to build, link and
# run a program through pkg-config, shared and static, and to read how; `make uninstall`
# takes it all away.
set -u
src=${srcdir:-$(cd "$(dirname "$0")/.." && pwd)}
. "$src/tests/support/report.sh"

# A plugin that others than its owner may write to would not be loaded.
umask 022

root=$(mktemp -d) || exit 1
trap 'rm -rf "$root"' EXIT
prefix=$(sed -n 's/^prefix = //p' Makefile)
at=$root$prefix

cat >"$root/program.c" <<'PROGRAM'
#include <keel/keel.h>
int main(void)
{
    keel_runtime *rt;
    return keel_open(&rt, NULL, NULL) != KEEL_OK || keel_close(rt, 0) != KEEL_OK;
}
PROGRAM

# builds FLAG MODULE...: a program against what was installed; an empty flag is none.
builds()
{
    extra=$1
    shift
    flags=$(PKG_CONFIG_LIBDIR=$at/lib/pkgconfig:$(pkg-config --variable pc_path pkg-config) \
        pkg-config --define-variable=prefix="$at" --cflags --libs "$@") || return 1
    # Flags are a list of words.
    # shellcheck disable=SC2086
    ${CC:-cc} -pthread -o "$root/program" "$root/program.c" $flags $extra
}

check()
{
    sentence=$1
    shift
    if "$@" >"$root/output" 2>&1; then
        pass
    else
        fail "$sentence"
        tail -n 20 "$root/output"
    fi
}

check "make install" make install DESTDIR="$root"
check "man keel_outcome finds no page" test -e "$at/share/man/man3/keel_outcome.3"
check "no example is installed" test -s "$at/share/doc/keel/examples/hello.c"
check "a program does not link with the shared library" builds '' keel
check "it does not run" env LD_LIBRARY_PATH="$at/lib" "$root/program"

# What others need to write a store: the headers, keel.pc, keel-conform, and an example.
example_passes()
{
    cp -r "$at/share/doc/keel/examples/plugin" "$root/plugin" || return 1
    PATH=$at/bin:$PATH LD_LIBRARY_PATH=$at/lib \
        PKG_CONFIG_LIBDIR=$at/lib/pkgconfig:$(pkg-config --variable pc_path pkg-config) \
        make -C "$root/plugin" CC="${CC:-cc}" \
        PKG_CONFIG="pkg-config --define-variable=prefix=$at" check
}

# The tool needs no libkeel.so, and nothing has to say where one is.
tool_loads_example()
{
    env -u LD_LIBRARY_PATH KEEL_PLUGIN_PATH="$root/plugin" \
        "$at/bin/keel" bag set 'shelf://' greeting hello
}

# It is loaded from where it was installed, by a keel that was, too.
sqlite_passes()
{
    PATH=$at/bin:$PATH LD_LIBRARY_PATH=$at/lib KEEL_PLUGIN_PATH=$at/lib/keel \
        keel-conform --quiet "sqlite://$root/kv.db?allow_flush=on"
}

# Without a server: its options are said by it, so it was found and loaded.
mysql_loads()
{
    LD_LIBRARY_PATH=$at/lib KEEL_PLUGIN_PATH=$at/lib/keel \
        "$at/bin/keel" bag describe 'mysql://app@db.example/shop?create=on' &&
        ! LD_LIBRARY_PATH=$at/lib KEEL_PLUGIN_PATH=$at/lib/keel \
            "$at/bin/keel" bag describe 'mysql://app@db.example/shop?creates=on'
}

check "the example of a plugin does not pass" example_passes
check "the tool does not load the example of a plugin" tool_loads_example
if [ -e "$at/lib/keel/keel_bag_sqlite.so" ]; then
    check "the store in SQLite does not pass" sqlite_passes
else
    skip "no store in SQLite was built"
fi
if [ -e "$at/lib/keel/keel_bag_mysql.so" ]; then
    check "the store in MySQL is not loaded" mysql_loads
else
    skip "no store in MySQL was built"
fi
rm -f "$at"/lib/libkeel.so*
check "a program does not link with the static library" builds -lm keel libcurl \
    hiredis
check "it does not run" "$root/program"
check "make uninstall" make uninstall DESTDIR="$root"
expect_none "left behind" "$(find "$at" ! -type d)"
report
