#!/bin/sh
# SPDX-License-Identifier: MIT
# embed.sh HEADER ARRAY ID SCRIPT...: the scripts as C on standard output, an array as
# HEADER has it in the order of the ID_* there, each behind the parts that it names
# ("-- With: ..."), without comments and indentation, and with the SHA1 by which the
# server knows it. Comments have lines of their own.
set -eu
header=$1 array=$2 id=$3
shift 3

# body SCRIPT: what is sent to the server.
body()
{
    for part in $(sed -n 's/^-- With: //p' "$1") "$(basename "$1" .lua)"; do
        sed -e 's/^ *//' -e '/^--/d' -e '/^$/d' "$(dirname "$1")/$part.lua"
    done
}

echo '/* Made by embed.sh of the .lua files beside it. */'
echo "#include \"$header\""
echo
echo "const keel_script ${array}[${id}_COUNT] = {"
for script; do
    name=$(basename "$script" .lua)
    sha1=$(body "$script" | sha1sum | cut -d ' ' -f 1)
    upper=$(echo "$name" | tr '[:lower:]' '[:upper:]')
    echo "    [${id}_$upper] = { \"$name\", \"$sha1\", $(body "$script" | wc -c),"
    body "$script" | sed -e 's/[\\"]/\\&/g' -e 's/.*/        "&\\n"/'
    echo '    },'
done
echo '};'
