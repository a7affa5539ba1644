#!/bin/sh
# SPDX-License-Identifier: MIT
# embed.sh SCRIPT...: the scripts as C on standard output, each behind the parts that it
# names ("-- With: ..."), without comments and indentation, and with the SHA1 by which
# the server knows it. Comments have lines of their own.
set -eu

# body SCRIPT: what is sent to the server.
body()
{
    for part in $(sed -n 's/^-- With: //p' "$1") "$(basename "$1" .lua)"; do
        sed -e 's/^ *//' -e '/^--/d' -e '/^$/d' "$(dirname "$1")/$part.lua"
    done
}

echo '/* Made by embed.sh of the .lua files beside it. */'
echo '#include "share/scripts.h"'
echo
echo 'const keel_script keel_scripts[KEEL_SCRIPT_COUNT] = {'
for script; do
    name=$(basename "$script" .lua)
    sha1=$(body "$script" | sha1sum | cut -d ' ' -f 1)
    upper=$(echo "$name" | tr '[:lower:]' '[:upper:]')
    echo "    [KEEL_SCRIPT_$upper] = { \"$name\", \"$sha1\", $(body "$script" | wc -c),"
    body "$script" | sed -e 's/[\\"]/\\&/g' -e 's/.*/        "&\\n"/'
    echo '    },'
done
echo '};'
