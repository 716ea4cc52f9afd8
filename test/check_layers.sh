#!/bin/sh
# The rooms base <- proto <- store <- deliver <- server, and store <- ctl: an include points only to
# the left, and each foreign library is used in its own place only.
set -eu
cd "${srcdir:-.}"
LC_ALL=C
export LC_ALL

found=$(mktemp)
trap 'rm -f "$found"' EXIT

# forbid TEXT FILES PATTERN: says which of the lines match.
forbid() {
	text=$1 pattern=$2
	shift 2
	if [ $# -gt 0 ]; then
		grep -nE "$pattern" /dev/null "$@" | sed "s|\$| -- $text|" >>"$found" || true
	fi
}

# The files matching the first pattern, without those matching the second.
files() {
	find base proto store deliver server ctl -name '*.[ch]' | grep -E "$1" | grep -vE "${2:-^$}" || true
}

count=$(files . | wc -l)
[ "$count" -gt 0 ] || { echo "no sources in $(pwd)"; exit 1; }

# Paths hold no blanks, so that word splitting is what is wanted.
# shellcheck disable=SC2046
{
	forbid 'base knows no other room' '#include "(proto|store|deliver|server|ctl)/' $(files '^base/')
	forbid 'proto knows only base' '#include "(store|deliver|server|ctl)/' $(files '^proto/')
	forbid 'store knows only base and proto' '#include "(deliver|server|ctl)/' $(files '^store/')
	forbid 'deliver does not know server' '#include "(server|ctl)/' $(files '^deliver/')
	forbid 'server does not know ctl' '#include "ctl/' $(files '^server/')
	forbid 'ctl knows only base, proto and store' '#include "(deliver|server)/' $(files '^ctl/')
	# "config.h" would find server/config.h: the one of configure is <config.h>.
	forbid 'own files are included as "room/file.h"' '#include "[^/"]*"' $(files .)
	forbid 'no way around the rooms' '#include ("(\.|/|.*/\.\.)|<(base|proto|store|deliver|server|ctl)/)' $(files .)

	forbid 'only proto/json* uses yajl' '#include <yajl/' $(files . '^proto/json[a-z0-9_]*\.[ch]$')
	forbid 'only store/ uses hiredis' '#include <hiredis/' $(files . '^store/')
	forbid 'only base/resolve* uses c-ares' '#include <ares' $(files . '^base/resolve[a-z_]*\.[ch]$')
	forbid 'nobody uses evdns' 'evdns|event2/dns' $(files .)
	forbid 'base and proto have no event loop, but for the resolver' '#include <event2/' \
		$(files '^(base|proto)/' '^base/resolve[a-z_]*\.[ch]$')
	forbid 'only some of ctl/ use evhttp' '#include <event2/http' \
		$(files . '^ctl/(http|cmd_listen|received)\.[ch]$')
	forbid 'only ctl/http.c has TLS bufferevents' '#include <event2/bufferevent_ssl' \
		$(files . '^ctl/http\.c$')
}

if [ -s "$found" ]; then
	cat "$found"
	exit 1
fi
echo "$count files keep to their rooms"
