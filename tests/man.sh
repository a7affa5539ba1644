#!/bin/sh
# SPDX-License-Identifier: MIT
# The manual is whole: every exported function and every setting has its entry, every
# page is installed, and mandoc has nothing to say.
set -u
src=${srcdir:-$(dirname "$0")/..}
. "$src/tests/support/report.sh"

# without_entry MACRO PAGES: the names on standard input that no page has an entry for.
without_entry()
{
    macro=$1
    shift
    while IFS= read -r name; do
        grep -Eqs "^\\.($macro) ([^ ]+ )*$name( |\$)" "$@" || echo "$name"
    done
}

# A name that is only spoken of is not documented: .Nm counts, .Fn does not.
functions=$(sed -n 's/^ *\(keel_[a-z0-9_]*\);$/\1/p' "$src/lib/keel.map")
expect_some "lib/keel.map names no function" "$functions"
expect_none "no .Nm in man/*.3" \
    "$(echo "$functions" | without_entry 'Nm' "$src"/man/*.3)"

keys=$(./keel config list --json | sed -n 's/.*"key": *"\([^"]*\)".*/\1/p')
expect_some "keel config list names no key" "$keys"
expect_none "no entry in keel-settings.5" \
    "$(echo "$keys" | without_entry 'It (Cm|Ic|Va)' "$src/man/keel-settings.5")"
variables=$(./keel config list --json | sed -n 's/.*"variable": *"\([^"]*\)".*/\1/p')
expect_some "keel config list names no variable" "$variables"
expect_none "no entry in keel-settings.5" \
    "$(echo "$variables" | without_entry 'It Ev' "$src/man/keel-settings.5")"
read_ones=$(sed -n 's/.*{ KEEL_PREFIX "\([A-Z_]*\)", set_.*/KEEL_\1/p' \
    "$src/lib/settings/config_process.c" | sort)
if [ "$(echo "$variables" | sort)" = "$read_ones" ]; then
    pass
else
    fail "keel config list has other variables than keel reads: $read_ones"
fi

# A default that is quoted elsewhere is the table's, or said to be computed. Those of bags
# have tables of their own: tests/bag/t_pages.c.
defaults=$(./keel config list --json |
    sed -n 's/.*"key": *"\([^"]*\)".*"default": *"\([^"]*\)".*/\1 \2/p')
pages=$(find "$src/man" -name '*.7' ! -name 'keel-bag-*')
# shellcheck disable=SC2086
quoted=$(sed -n 's/^\.It Cm \([^ ]*\) Ta \([^ ]*\) Ta .*/\1 \2/p' $pages)
expect_some "no page of section 7 quotes a default" "$quoted"
expect_none "a default that is not the table's" "$(echo "$quoted" |
    while IFS= read -r line; do
        case $line in
        *" computed") echo "$defaults" | grep -q "^${line% *} .* " || echo "$line" ;;
        *) echo "$defaults" | grep -qxF "$line" || echo "$line" ;;
        esac
    done)"

# The statuses of the page are those of the header, number by number.
header=$(sed -n 's/^ *X(\(KEEL_[A-Z_]*\), \([0-9]*\), *\(".*\|\\\)$/\1 \2/p' \
    "$src/include/keel/status.h" | grep -v KEEL_REASON_)
page=$(sed -n 's/^\.It Dv \(KEEL_[A-Z_]*\) Ta \([0-9]*\) Ta .*/\1 \2/p' \
    "$src/man/keel_status_name.3")
expect_some "no status in the header" "$header"
if [ "$header" = "$page" ]; then
    pass
else
    fail "keel_status_name.3 has other statuses than the header"
fi

# declarations FILE...: each structure and enum that is written out, on one line. What is
# keel's own inside, and what a macro lists, is not shown on a page.
declarations()
{
    awk '/^typedef (struct|enum) keel_[a-z_]* \{/ { inside = 1; text = "" }
        inside { text = text $0 " " }
        /^\}/ && inside { inside = 0; print text }' "$@" |
        grep -Ev 'keel_private|_MAP\('
}

declared=$(declarations "$src"/include/keel/*.h | sort)
expect_some "no structure in the headers" "$declared"
shown=$(declarations "$src"/man/*.3 | sort)
expect_none "no page shows it as the header has it" \
    "$(echo "$declared" | while IFS= read -r line; do
        echo "$shown" | grep -qxF "$line" || echo "${line##*\} }"
    done)"
expect_none "shown on a page, and in no header" \
    "$(echo "$shown" | while IFS= read -r line; do
        echo "$declared" | grep -qxF "$line" || echo "${line##*\} }"
    done)"
expect_none "no .Nm in man/*.3" \
    "$(sed -n -e 's/^} \(keel_[a-z_]*\);$/\1/p' \
        -e 's/^typedef struct keel_[a-z_]* \(keel_[a-z_]*\);$/\1/p' \
        -e 's/^typedef .* \(keel_[a-z_]*_fn\)(.*/\1/p' "$src"/include/keel/*.h |
        without_entry 'Nm' "$src"/man/*.3)"

# What an administrator would paste is what the tests of the scripts run with.
rights=$(tr ' ' '\n' <"$src/lib/share/scripts/acl" | sort)
expect_some "no rights in lib/share/scripts/acl" "$rights"
pasted=$(sed -n '/^ACL SETUSER keel /,/^\.Ed/{/^\.Ed/d;p;}' "$src/man/keel-security.7" |
    tr -s ' ' '\n' | sed -e '/^ACL$/,/^>PASSWORD$/d' -e '/^$/d' | sort)
if [ "$rights" = "$pasted" ]; then
    pass
else
    fail "keel-security.7 has other rights than lib/share/scripts/acl"
fi

# The backticks are Markdown.
# shellcheck disable=SC2016
kept=$(sed -n 's/^| `\([A-Za-z:]*\)` | .*/\1/p' "$src/lib/share/scripts/README.md")
expect_some "no keys in lib/share/scripts/README.md" "$kept"
expect_none "a key in Redis that keel-fleet.7 does not list" \
    "$(echo "$kept" | without_entry 'It' "$src/man/keel-fleet.7")"

# Every cause that an operator may be shown is explained to him.
causes=$(sed -n '/^const char \*keel_cause_name/,/^}/p' "$src/lib/call/deliver.c" |
    grep -o '"[a-z_]*"' | tr -d '"' | grep -vx none)
fleet_causes=$(sed -n '/^const char \*keel_view_cause_name/,/^}/s/.*return "\(.*\)";/\1/p' \
    "$src/lib/ops/view.c")
expect_some "keel_cause_name names no cause" "$causes"
expect_some "keel_view_cause_name names no cause of its own" "$fleet_causes"
expect_none "a cause that keel-events.1 does not explain" \
    "$(printf '%s\n' "$causes" "$fleet_causes" |
        without_entry 'It' "$src/man/keel-events.1")"
expect_none "a fleet's cause that keel-fleet.7 does not explain" \
    "$(echo "$fleet_causes" | without_entry 'It' "$src/man/keel-fleet.7")"

# All pages are of one day.
expect_none "pages of several dates" \
    "$(sed -n 's/^\.Dd //p' "$src"/man/*.[1-9] | sort -u | sed 1d)"

# A line of \& alone is no empty line to mandoc.
expect_none "an empty line that is not shown" "$(grep -n '^\\&$' "$src"/man/*.[1-9])"

# Whatever a page refers to among keel's own is there.
expect_none "a reference to no page" \
    "$(cat "$src"/man/*.[1-9] | sed -n 's/^\.Xr \(keel[^ ]*\) \([1-9]\).*/\1 \2/p' |
        sort -u | while read -r name section; do
            grep -Eqs "^\\.Nm $name( |\$)" "$src"/man/*."$section" ||
                echo "$name($section)"
        done)"

for page in "$src"/man/*.[1-9]; do
    expect_none "$(basename "$page")" "$(mandoc -Tlint -W warning "$page" 2>&1)"
    case " ${MANS-} " in
    *"man/$(basename "$page") "*) pass ;;
    *) fail "not in dist_man_MANS: $(basename "$page")" ;;
    esac
done

expect_some "a missing entry is not found" \
    "$(echo keel_no_such_function | without_entry 'Nm' "$src"/man/*.3)"
report
