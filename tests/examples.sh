#!/bin/sh
# SPDX-License-Identifier: MIT
# What a reader may paste works: every program in examples/, in the README and under
# EXAMPLES on a manual page compiles against the built library as strict C11, and those
# in examples/ run, with the address of a private nginx as their argument and bags of
# their own. Nobody listens at port 1, so sessions are their standby's.
set -u
src=${srcdir:-$(dirname "$0")/..}
. "$src/tests/support/report.sh"
build=$PWD

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# libraries_of SOURCE: what an example needs beside keel, in words for the linker.
libraries_of()
{
    case $1 in
    */libuv_*) echo "${UV_LIBS-}" ;;
    */libevent_*) echo "${EVENT_LIBS-}" ;;
    *) echo "${CURL_LIBS--lcurl}" ;;
    esac
}

# compiles SOURCE PROGRAM
compiles()
{
    # Compilers and flags are lists of words. What -pthread defines would show more of
    # the system's headers than a reader sees who needs no threads.
    # shellcheck disable=SC2046,SC2086
    ${CC:-cc} -std=c11 -Wall -Wextra -Werror -I"$src/include" \
        -o "$2" "$1" -L"$build/.libs" -lkeel -Wl,-rpath,"$build/.libs" \
        $(libraries_of "$1") ${PTHREAD_FLAGS--pthread} -U_REENTRANT ${SANITIZER_CFLAGS-} \
        >"$work/output" 2>&1
}

check_compiles()
{
    if compiles "$1" "$work/program"; then
        pass
    else
        fail "$2 does not compile"
        cat "$work/output"
        return 1
    fi
}

# A service that answers; /down always says 503.
cat >"$work/nginx" <<'CONFIG'
server {
    listen 127.0.0.1:@PORT@;
    location / { return 200 "hello\n"; }
    location /down { return 503; }
}
CONFIG

export KEEL_BAG_NOTES="file://$work/notes"
export KEEL_BAG_SESSIONS="failover{journal=$work/journal}(
    resilient(redis://127.0.0.1:1), file://$work/sessions)"

check_runs()
{
    tests/support/with_nginx "$work/nginx" timeout 60 "$work/program" \
        >"$work/output" 2>&1 </dev/null
    case $? in
    0) pass ;;
    77) skip "$1: no nginx" ;;
    *)
        fail "$1 does not run"
        cat "$work/output"
        ;;
    esac
}

# programs_of_page PAGE: writes the whole programs under EXAMPLES to $work/page-N.c.
programs_of_page()
{
    rm -f "$work"/page-*.c
    awk -v base="$work/page-" '
        function keep() { if (text ~ /main\(/) printf "%s", text > (base (++n) ".c") }
        /^\.Sh/ { wanted = $2 == "EXAMPLES" }
        /^\.Bd -literal/ && wanted { inside = 1; text = ""; next }
        /^\.Ed/ && inside { inside = 0; keep() }
        inside { gsub(/\\&/, ""); gsub(/\\-/, "-"); gsub(/\\e/, "\\"); text = text $0 "\n" }
    ' "$1"
}

for example in "$src"/examples/*.c; do
    [ -e "$example" ] || { fail "no examples"; break; }
    name=examples/$(basename "$example")
    [ -n "$(libraries_of "$example")" ] || { skip "$name: no library"; continue; }
    check_compiles "$example" "$name" && check_runs "$name"
done

# The backticks are Markdown.
# shellcheck disable=SC2016
sed -n '/^```c$/,/^```$/{/^```/d;p;}' "$src/README.md" >"$work/readme.c"
if grep -q 'main(' "$work/readme.c"; then
    check_compiles "$work/readme.c" README.md
else
    fail "no program in README.md"
fi

programs=0
for page in "$src"/man/*.[1-9]; do
    [ -e "$page" ] || break
    programs_of_page "$page"
    for program in "$work"/page-*.c; do
        [ -e "$program" ] || continue
        programs=$((programs + 1))
        check_compiles "$program" "$(basename "$page")"
    done
done
[ "$programs" -gt 0 ] || fail "no program on any page"

echo 'int main(void) { return keel_nothing(); }' >"$work/broken.c"
if compiles "$work/broken.c" "$work/program"; then
    fail "a broken program compiles"
else
    pass
fi
report
