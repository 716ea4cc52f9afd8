#!/bin/sh
# What the compiler and the linker are asked for is in the program: position-independent, relocations
# read-only, no executable stack, stack protector, fortified functions, no search path for libraries.
set -eu
LC_ALL=C
export LC_ALL

evhookd=${EVHOOKD:-${top_builddir:-.}/evhookd}
if ! command -v readelf >/dev/null || ! [ -x "$evhookd" ]; then
	echo "no readelf, or no $evhookd: skipped"
	exit 77
fi
work=$(mktemp)
trap 'rm -f "$work"' EXIT
readelf --wide --file-header --program-headers --dynamic --dyn-syms "$evhookd" >"$work"
if grep -q '__[au][sb]san_' "$work"; then
	echo 'a build with sanitizers: skipped'
	exit 77
fi
failed=0

# has TEXT PATTERN, lacks TEXT PATTERN
has() {
	grep -qE "$2" "$work" || { echo "$evhookd: $1"; failed=1; }
}
lacks() {
	! grep -qE "$2" "$work" || { echo "$evhookd: $1"; failed=1; }
}

has 'not position-independent' '^ *Type: *DYN'
has 'no read-only relocations' '^ *GNU_RELRO '
has 'symbols are bound late' '\((FLAGS|FLAGS_1|BIND_NOW)\).*NOW'
has 'the stack may be executable' '^ *GNU_STACK .* RW '
has 'no stack protector' ' __stack_chk_fail'
lacks 'a search path for libraries' '\((RPATH|RUNPATH)\)'
# they need the optimiser: configure leaves them out with -O0
if grep -qs '^HARDENING_CFLAGS.*_FORTIFY_SOURCE' "${top_builddir:-.}/Makefile"; then
	has 'no fortified functions' ' __[a-z]+_chk(@| |$)'
fi
exit $failed
