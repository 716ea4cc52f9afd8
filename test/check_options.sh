#!/bin/sh
# The man page and evhookd --help (which prints the option table) must list the same options, in
# the same order, with the same placeholders, defaults and "repeatable"; so must doc/evhookd.conf,
# which has them commented out, with their defaults or examples.
set -eu

evhookd=${EVHOOKD:-${top_builddir:-.}/evhookd}
page=${srcdir:-.}/doc/evhookd.8
conf=${srcdir:-.}/doc/evhookd.conf
if ! [ -x "$evhookd" ]; then
	echo "no $evhookd to ask: skipped"
	exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One line an option, the same from both: --name PLACEHOLDER|default|repeatable
"$evhookd" --help >"$work/help"
awk '/^  --/ {
	line = $0
	deflt = repeat = ""
	if (match(line, / \((repeatable)?(, )?(default [^ ]+)?\)$/)) {
		tail = substr(line, RSTART + 2, RLENGTH - 3)
		if (tail ~ /^repeatable/)
			repeat = "repeatable"
		if (match(tail, /default /))
			deflt = substr(tail, RSTART + 8)
	}
	sub(/^  /, "", line)
	sub(/  .*/, "", line)
	print line "|" deflt "|" repeat
}' "$work/help" >"$work/from-help"

awk 'function flush() {
	if (name != "")
		print name "|" deflt "|" repeat
	name = ""
}
/^\.It / || /^\.El/ { flush() }
/^\.It Fl -/ {
	name = "-" $3
	for (i = 4; i <= NF; i++)
		if ($i != "Ar")
			name = name " " $i
	deflt = repeat = ""
	first = 1
	next
}
name != "" && first {
	if (match($0, /^Default [^ ]+[.,]/))
		deflt = substr($0, 9, RLENGTH - 9)
	if ($0 ~ /[Rr]epeatable\.$/)
		repeat = "repeatable"
	first = 0
}' "$page" >"$work/from-page"

if [ "$(wc -l <"$work/from-help")" -lt 10 ]; then
	echo "evhookd --help lists hardly any options:"
	cat "$work/help"
	exit 1
fi
if ! diff -u "$work/from-page" "$work/from-help"; then
	echo "doc/evhookd.8 (-) and evhookd --help (+) differ"
	exit 1
fi

# One line an option, the same from both: name|default or "example"|repeatable
awk '/^[^ ].*:$/ { part = $0 }
/^  --/ && part != "This program:"' "$work/help" | sed 's/^  --\([^ ]*\).*/\1/' >"$work/names"
awk -F '|' 'NR == FNR { wanted[$1]; next }
{
	sub(/^--/, "", $1)
	sub(/ .*/, "", $1)
	if ($1 in wanted)
		print $1 "|" ($2 == "" ? "example" : $2) "|" $3
}' "$work/names" "$work/from-help" >"$work/conf-wanted"
awk '/^# / {
	example = example || / \((repeatable, )?example\)\.$/
	repeat = repeat || / \(repeatable[,)]/
	next
}
/^#[a-z-]+ = / || /^[^#]/ {
	name = substr($1, 2)
	print name "|" (example ? "example" : $3) "|" (repeat ? "repeatable" : "")
}
{ example = repeat = 0 }' "$conf" >"$work/from-conf"
if ! diff -u "$work/from-conf" "$work/conf-wanted"; then
	echo "$conf (-) and evhookd --help (+) differ"
	exit 1
fi
# Every default, written out, is good.
awk '/^#[a-z-]+ = / {
	if (!example)
		print substr($0, 2)
	next
}
/^# / { example = example || / \((repeatable, )?example\)\.$/ }
/^$/ { example = 0 }' "$conf" >"$work/conf"
if ! "$evhookd" --config "$work/conf" --check-config >"$work/out" 2>&1; then
	cat "$work/out"
	echo "evhookd refuses the defaults of $conf"
	exit 1
fi
# Each option that limits something has a row in the table of limits, with the default, and each
# option there is one; no row comes twice.
limits=${srcdir:-.}/doc/security.md
awk -F ' *[|] *' '/^## / { in_it = $0 == "## The limits" }
in_it && NF > 4 && $4 ~ /`--/ {
	n = split($4, names, "`")
	for (i = 2; i <= n; i += 2) {
		value = $3
		while (match(value, /[0-9] [0-9][0-9][0-9]/))
			value = substr(value, 1, RSTART) substr(value, RSTART + 2)
		unit = value
		sub(/[^0-9].*/, "", value)
		sub(/^[0-9]* */, "", unit)
		unit = unit ~ /^KiB/ ? "k" : unit ~ /^MiB/ ? "M" : unit ~ /^GiB/ ? "G" : \
		    unit ~ /^s/ ? "s" : unit ~ /^h/ ? "h" : unit ~ /^days/ ? "d" : ""
		print names[i] "|" (value == "" ? "" : value unit)
	}
}' "$limits" | sort -u >"$work/from-limits"
awk -F '|' '{ sub(/ .*/, "", $1) }
$1 ~ /^--(max-|drain-timeout$|lease$)|-(concurrency|timeout|ttl|retention|kept|overlap)$/ { print $1 "|" $2 }' \
	"$work/from-help" | sort >"$work/limits-wanted"
if [ "$(grep -c . "$work/limits-wanted")" -lt 20 ]; then
	echo "hardly any option is taken for a limit"
	exit 1
fi
grep -E '^--(redis-wait|secrets-key)[|]' "$work/from-limits" >"$work/also" || true
if ! sort -u "$work/limits-wanted" "$work/also" | diff -u "$work/from-limits" -; then
	echo "the table of limits in $limits (-) and evhookd --help (+) differ"
	exit 1
fi
twice=$(awk -F ' *[|] *' '/^## / { in_it = $0 == "## The limits" }
in_it && NF > 4 && seen[$0]++' "$limits")
if [ -n "$twice" ]; then
	echo "twice in the table of limits:"
	echo "$twice"
	exit 1
fi
wide=$(awk 'length > 100' "$work/help")
if [ -n "$wide" ]; then
	echo "evhookd --help is wider than 100 columns:"
	echo "$wide"
	exit 1
fi
