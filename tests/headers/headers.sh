#!/bin/sh
# SPDX-License-Identifier: MIT
# Every public header stands alone and may come twice, in C and C++ old and new; and
# what the umbrella header declares links against the real shared library.
set -u
src=${srcdir:-$(dirname "$0")/../..}
. "$src/tests/support/report.sh"
build=$PWD
strict="-pedantic-errors -Wall -Wextra -Werror -I$src/include"
# Adapters need what their loops do: the system's own names, and the library's headers.
system_names="-D_DEFAULT_SOURCE"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# compiler_for LANGUAGE: cannot be `cc -x c++`, which would not link.
compiler_for()
{
    case $1 in c++*) echo "${CXX:-c++}" ;; *) echo "${CC:-cc}" ;; esac
}

# compiles STANDARD SOURCE
compiles()
{
    case $1 in c++*) language=c++ ;; *) language=c ;; esac
    # Compilers and flags are lists of words.
    # shellcheck disable=SC2046,SC2086
    $(compiler_for "$1") -x $language -std="$1" $strict $system_names -fsyntax-only \
        "$2" 2>"$work/errors"
}

# links STANDARD: a program that takes the address of every exported function.
links()
{
    {
        echo '#include <keel/keel.h>'
        echo '#include <keel/bag_plugin.h>'
        echo 'typedef void any_function(void);'
        echo 'static any_function *const all[] = {'
        sed -n 's/^ *\(keel_[a-z0-9_]*\);$/    (any_function *)\1,/p' "$src/lib/keel.map"
        echo '};'
        echo 'int main(void)'
        echo '{'
        echo '    for (size_t i = 0; i < sizeof all / sizeof *all; i++)'
        echo '        if (!all[i])'
        echo '            return 1;'
        echo '    return keel_version()[0] == 0;'
        echo '}'
    } >"$work/all.${1%%[0-9]*}"
    # shellcheck disable=SC2046,SC2086
    $(compiler_for "$1") -std="$1" $strict -o "$work/all" "$work/all.${1%%[0-9]*}" \
        -L"$build/.libs" -lkeel -Wl,-rpath,"$build/.libs" \
        ${SANITIZER_CFLAGS-} 2>"$work/errors" && "$work/all" 2>>"$work/errors"
}

# adapter_is_alone NAME: there is no library to it here.
adapter_is_alone()
{
    case $1 in
    */libuv.h) [ -z "${UV_LIBS-}" ] ;;
    */libevent.h) [ -z "${EVENT_LIBS-}" ] ;;
    *) false ;;
    esac
}

for standard in c99 c11 c++11 c++17; do
    for header in "$src"/include/keel/*.h "$src"/include/keel/adapters/*.h; do
        name=${header#"$src"/include/}
        adapter_is_alone "$name" && { skip "$name: no library"; continue; }
        printf '#include <%s>\n#include <%s>\nint unused_;\n' "$name" "$name" \
            >"$work/alone.c"
        if compiles $standard "$work/alone.c"; then
            pass
        else
            fail "$name, $standard"
            cat "$work/errors"
        fi
    done
    if links $standard; then
        pass
    else
        fail "linking all of keel/keel.h, $standard"
        cat "$work/errors"
    fi
done

printf '#include <keel/keel.h>\nlong long no_such_thing = keel_nothing;\n' \
    >"$work/broken.c"
if compiles c99 "$work/broken.c"; then fail "a broken source compiles"; else pass; fi
report
