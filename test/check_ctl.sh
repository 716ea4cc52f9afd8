#!/bin/sh
# The man page of evhookctl and the program itself must name the same commands, each with the same
# options, and the same options with the same placeholders and defaults.
set -eu
LC_ALL=C
export LC_ALL

evhookctl=${EVHOOKCTL:-${top_builddir:-.}/evhookctl}
page=${srcdir:-.}/doc/evhookctl.1
if ! [ -x "$evhookctl" ]; then
	echo "no $evhookctl to ask: skipped"
	exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A line a command: "webhooks get" and its own options, "=" behind those with a value.
common='profile=|url=|tenant=|token-file=|ca-file=|timeout=|json|help'
"$evhookctl" commands | sed -E ":again
	s/ --($common)( |\$)/ /
	t again
	s/ +/ /g
	s/ \$//" >"$work/commands"
awk '/^\.Sh / { in_commands = $2 == "COMMANDS" }
function flush() {
	if (line != "")
		print line
	line = ""
}
in_commands && (/^\.It Ic / || /^\.El/) { flush() }
in_commands && /^\.It Ic / {
	name = $3
	for (i = 4; i <= NF && $i != "Ar" && $i != "Op"; i++)
		name = name " " $i
	line = name ":"
}
in_commands && /^\.Op Fl -/ { line = line " -" $3 (NF > 3 ? "=" : "") }
END { flush() }' "$page" >"$work/page-commands"

# A line an option: --name PLACEHOLDER|default
"$evhookctl" commands | cut -d: -f1 | while read -r command; do
	# Word splitting makes two words of "webhooks get".
	# shellcheck disable=SC2086
	"$evhookctl" $command --help
done | awk '/^  --/ {
	deflt = ""
	if (match($0, /\(default [^)]*\)/))
		deflt = substr($0, RSTART + 9, RLENGTH - 10)
	sub(/^  /, "")
	split($0, words, / /)
	line = words[1] (words[2] != "" ? " " words[2] : "")
	print line "|" deflt
}' | sort -u >"$work/options"
awk '/^\.Sh / { in_options = $2 == "OPTIONS" }
function flush() {
	if (line != "")
		print line "|" deflt
	line = deflt = ""
}
in_options && (/^\.It / || /^\.El/) { flush() }
in_options && /^\.It Fl -/ { line = "-" $3 (NF > 3 ? " " $5 : "") }
in_options && /^Default / { deflt = substr($0, 9, length($0) - 9) }' "$page" | sort >"$work/page-options"

if [ "$(wc -l <"$work/commands")" -lt 10 ] || [ "$(wc -l <"$work/options")" -lt 10 ]; then
	echo "evhookctl lists hardly anything:"
	cat "$work/commands" "$work/options"
	exit 1
fi
status=0
diff -u "$work/page-commands" "$work/commands" || status=1
diff -u "$work/page-options" "$work/options" || status=1
[ "$status" -eq 0 ] || echo "doc/evhookctl.1 (-) and evhookctl (+) differ"
exit "$status"
