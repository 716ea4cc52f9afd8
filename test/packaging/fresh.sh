#!/bin/bash
# The two commands of README.md on a fresh Debian: fresh.sh RELEASE [COMMAND...]
#
# In a Debian of its own with next to nothing in it: ./dev run, until evhookd answers, then in the same
# tree ./dev test (or the commands given, each an argument of ./dev), by root in root's home, which
# nobody else may enter.  $FRESH_ROOT: such a Debian, used as it is and kept.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. test/packaging/debian.sh

release=$1
shift
[ "$(id -u)" -eq 0 ] || skip 'not root'
root=${FRESH_ROOT:-}
made=

clean_up() {
	[ -z "$made" ] || debian_remove "$made"
}
trap clean_up EXIT

if [ -z "$root" ]; then
	made=$(mktemp -d /var/tmp/evhookd-fresh-XXXXXX)
	root=$made
	echo "== Debian $release in $root"
	debian_make "$release" "$root"
else
	debian_mount "$root"
fi
tree=/root/evhookd
chmod 700 "$root/root"
rm -rf "$root$tree"
debian_copy "$root" "$tree"

echo '== ./dev run'
began=$SECONDS
# shellcheck disable=SC2016 # the inner shell's
debian_run "$root" bash -c 'cd "$1" && {
	timeout 900 ./dev run >/tmp/run.log 2>&1 &
	for ((i = 0; i < 4500; i++)); do
		kill -0 $! 2>/dev/null || break
		! curl -sfo /dev/null http://127.0.0.1:8080/readyz 2>/dev/null || break
		sleep 0.2
	done
	curl -sf http://127.0.0.1:8080/readyz || { tail -20 /tmp/run.log; exit 1; }
	kill -INT $!
	wait $! || true
}' bash "$tree" || fail './dev run does not run it'
echo "== ready after $((SECONDS - began)) s"

[ $# -gt 0 ] || set -- test
began=$SECONDS
for command; do
	echo "== ./dev $command"
	# shellcheck disable=SC2016
	debian_run "$root" bash -c 'cd "$1" && ./dev "$2"' bash "$tree" "$command" >"$root/tmp/dev.log" 2>&1 ||
		{ grep -E '^== |FAILED|^FAIL|rror' "$root/tmp/dev.log" | tail -60; tail -5 "$root/tmp/dev.log"; fail "./dev $command"; }
	tail -1 "$root/tmp/dev.log"
done
echo "== done after $((SECONDS - began)) s more"
