#!/bin/sh
# Makes script_sources.c: embed.sh lib.lua script.lua... >script_sources.c
# Each script becomes one string, a line of it a line of C, with lib.lua before it; but its "#!lua"
# line, which tells Redis its flags, stays the first.
set -eu

# A backslash before "?" keeps the compiler from seeing trigraphs.
quote() {
	sed -e '/^#!/d' -e 's/[\\"?]/\\&/g' -e 's/	/\\t/g' -e "s/^/$2\"/" -e "s/\$/\\\\n\"$3/" "$1"
}

lib=$1
shift

echo '/* Made by store/scripts/embed.sh: do not edit. */'
echo '#include "store/script_sources.h"'
echo
echo '#include <stddef.h>'
echo
echo '/* clang-format off */'
printf '#define SCRIPT_LIB \\\n'
quote "$lib" '' " \\\\"
for file; do
	name=$(basename "$file" .lua)
	case $name in
	*[!a-z0-9_]*)
		echo "embed.sh: $file: its name is no C identifier" >&2
		exit 1
		;;
	esac
	echo
	echo "static const char script_${name}[] ="
	sed -n '1s/^#!.*/	"&\\n"/p' "$file"
	echo '	SCRIPT_LIB'
	quote "$file" '	' ''
	echo '	;'
done
echo
echo 'const struct script_source script_sources[] = {'
for file; do
	name=$(basename "$file" .lua)
	echo "	{\"$name\", script_$name},"
done
echo '	{NULL, NULL},'
echo '};'
