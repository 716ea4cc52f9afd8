#!/bin/bash
# ./dev token: a token for trying out, signed with a secret (HS256), by nothing but the openssl
# command.  The secret never is an argument, which ps would show.
set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C

usage() {
	cat >&2 <<'END'
usage: ./dev token --key FILE [--tenant UUID]... [--permission NAME]... [--sub NAME] [--ttl TIME]
                   [--issuer NAME] [--audience NAME]
FILE is what evhookd's --auth-key has: at least 32 bytes, for instance of
    openssl rand -hex 32 >FILE
Without --tenant the token is for any tenant, without --permission it has all of them (*.*).
TIME is a number of seconds, or with s, m, h or d (1h).
END
	exit 2
}

die() {
	printf 'token: %s\n' "$*" >&2
	exit 1
}

# A JSON string.
quote() {
	case $1 in
	*[$'\001'-$'\037']*) die "no control characters, please" ;;
	esac
	local s=${1//\\/\\\\}
	printf '"%s"' "${s//\"/\\\"}"
}

# A JSON array of strings.
list() {
	local item out=''
	for item; do
		out+=${out:+,}$(quote "$item")
	done
	printf '[%s]' "$out"
}

base64url() {
	openssl base64 -A | tr '+/' '-_' | tr -d '='
}

# The bytes of hex digits.
unhex() {
	local hex=$1 out='' i
	for ((i = 0; i < ${#hex}; i += 2)); do
		out+=\\x${hex:i:2}
	done
	printf '%b' "$out"
}

hex() {
	od -An -v -tx1 | tr -d ' \n'
}

# hmac FILE: HMAC-SHA256 (RFC 2104) of stdin with the secret in FILE, less one final newline.
hmac() {
	local hex byte inner='' outer='' i
	hex=$(hex <"$1")
	hex=${hex%0a}
	[ ${#hex} -ge 64 ] || die "$1 has less than 32 bytes"
	if [ ${#hex} -gt 128 ]; then
		hex=$(unhex "$hex" | openssl dgst -sha256 -binary | hex)
	fi
	for ((i = 0; i < 128; i += 2)); do
		byte=$((16#${hex:i:2}0 >> 4))
		printf -v inner '%s%02x' "$inner" $((byte ^ 0x36))
		printf -v outer '%s%02x' "$outer" $((byte ^ 0x5c))
	done
	{ unhex "$outer" && { unhex "$inner" && cat; } | openssl dgst -sha256 -binary; } |
		openssl dgst -sha256 -binary
}

key='' sub='' ttl=1h more='' tenants=() permissions=()
while [ $# -gt 0 ]; do
	[ $# -gt 1 ] || usage
	case $1 in
	--key) key=$2 ;;
	--tenant) tenants+=("$2") ;;
	--permission) permissions+=("$2") ;;
	--sub) sub=$2 ;;
	--ttl) ttl=$2 ;;
	--issuer) more+=",\"iss\":$(quote "$2")" ;;
	--audience) more+=",\"aud\":$(quote "$2")" ;;
	*) usage ;;
	esac
	shift 2
done
[ -n "$key" ] || usage
[ -r "$key" ] || die "$key cannot be read"
[ "$(head -c 10 "$key" | tr -d '\0')" != '-----BEGIN' ] || die "$key is no secret but a PEM file"
[[ $ttl =~ ^([0-9]{1,9})([smhd]?)$ ]] || die "--ttl: a number of seconds, or with s, m, h or d"
case ${BASH_REMATCH[2]} in
m) unit=60 ;;
h) unit=3600 ;;
d) unit=86400 ;;
*) unit=1 ;;
esac
[ ${#tenants[@]} -gt 0 ] || tenants=(any)
[ ${#permissions[@]} -gt 0 ] || permissions=('*.*')
[ -z "$sub" ] || more+=",\"sub\":$(quote "$sub")"

now=$(date +%s)
claims="{\"iat\":$now,\"exp\":$((now + 10#${BASH_REMATCH[1]} * unit))"
claims+=",\"tenants\":$(list "${tenants[@]}"),\"permissions\":$(list "${permissions[@]}")$more}"
text=$(printf '{"alg":"HS256","typ":"JWT"}' | base64url).$(printf '%s' "$claims" | base64url)
signature=$(printf '%s' "$text" | hmac "$key" | base64url)
printf '%s.%s\n' "$text" "$signature"
