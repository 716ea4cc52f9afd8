#!/bin/bash
# ./dev bench: wrk publishes a 500-byte event to evhookd, one signed subscriber on an nginx sink.
# evhookd has one core to itself, Redis, nginx and wrk share the other (where there are two).
# Usage: run.sh [SECONDS [CONNECTIONS]]; EVHOOKD is the binary.
set -euo pipefail
seconds=${1:-10} connections=${2:-64}
evhookd=${EVHOOKD:-build/evhookd}
dir=$(mktemp -d)
pids=()
stop() {
	kill "${pids[@]}" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$dir"
}
trap stop EXIT

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

other=() own=()
if [ "$(nproc)" -gt 1 ]; then
	own=(taskset -c 0) other=(taskset -c 1)
fi
api=$(free_port) admin=$(free_port) sink=$(free_port)

cat >"$dir/nginx.conf" <<CONF
daemon off;
worker_processes 1;
pid $dir/nginx.pid;
error_log $dir/nginx.log;
events { worker_connections 4096; }
http {
	access_log off;
	keepalive_requests 1000000000;
	client_body_temp_path $dir;
	proxy_temp_path $dir;
	fastcgi_temp_path $dir;
	uwsgi_temp_path $dir;
	scgi_temp_path $dir;
	server { listen 127.0.0.1:$sink; location / { return 204; } }
}
CONF
"${other[@]}" /usr/sbin/nginx -p "$dir" -c "$dir/nginx.conf" &
pids+=($!)
"${other[@]}" redis-server --port 0 --unixsocket "$dir/redis.sock" --dir "$dir" --save '' \
	--appendonly yes --appendfsync everysec --logfile "$dir/redis.log" &
pids+=($!)
# shellcheck disable=SC2086 # BENCH_OPTIONS holds options
"${own[@]}" "$evhookd" --listen "127.0.0.1:$api" --admin-listen "127.0.0.1:$admin" \
	--redis "unix://$dir/redis.sock" --allow-egress 127.0.0.0/8 ${BENCH_OPTIONS:-} 2>"$dir/evhookd.log" &
evhookd_pid=$!
pids+=("$evhookd_pid")

for _ in $(seq 100); do
	curl -sf "http://127.0.0.1:$api/readyz" >/dev/null && break
	sleep 0.1
done
tenant=6ba7b810-9dad-41d1-80b4-00c04fd430c8
curl -sf "http://127.0.0.1:$api/event/$tenant/webhooks" -H 'Content-Type: application/json' -d '{
	"name": "bench", "enabled": true, "eventTypes": ["policy.issue"],
	"endpoint": {"url": "http://127.0.0.1:'"$sink"'/hook", "hmacEnabled": true}}' >/dev/null

cat >"$dir/publish.lua" <<LUA
wrk.method = "POST"
wrk.path = "/event/$tenant/events"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"type":"policy.issue","data":{"pad":"' .. string.rep("x", 500 - 41) .. '"}}'
LUA

metric() {
	curl -s "http://127.0.0.1:$admin/metrics" | awk -v name="$1" '$1 == name { print $2 }'
}
cpu_ms() { # user and system time of evhookd
	awk -v hz="$(getconf CLK_TCK)" '{ print ($14 + $15) * 1000 / hz }' "/proc/$evhookd_pid/stat"
}
processed() {
	redis-cli -s "$dir/redis.sock" info stats | tr -d '\r' | awk -F: '/^total_commands_processed/ { print $2 }'
}

cpu=$(cpu_ms) commands=$(processed)
started=$(date +%s.%N)
"${other[@]}" wrk -t1 -c"$connections" -d"${seconds}s" --latency -s "$dir/publish.lua" "http://127.0.0.1:$api" >"$dir/wrk.txt"
stopped=$(date +%s.%N)
accepted=$(metric evhookd_events_accepted_total)
in_window=$(metric evhookd_deliveries_delivered_total)
sent=$(metric evhookd_redis_commands_total)
while [ "$(metric evhookd_deliveries_delivered_total)" -lt "$accepted" ]; do
	sleep 0.05
	[ "$(date +%s)" -lt $((${stopped%.*} + 120)) ] || break
done
drained=$(date +%s.%N)
delivered=$(metric evhookd_deliveries_delivered_total)
cpu=$(echo "$(cpu_ms) - $cpu" | bc)
commands=$(($(processed) - commands))
rss=$(awk '/VmHWM/ { print $2 }' "/proc/$evhookd_pid/status")

cat "$dir/wrk.txt"
awk -v a="$accepted" -v w="$in_window" -v d="$delivered" -v t0="$started" -v t1="$stopped" -v t2="$drained" \
	-v cpu="$cpu" -v cmd="$commands" -v sent="$sent" -v rss="$rss" 'BEGIN {
	printf "accepted            %10d  %9.0f /s\n", a, a / (t1 - t0)
	printf "delivered in window %10d  %9.0f /s  %.1f %% of accepted\n", w, w / (t1 - t0), 100 * w / a
	printf "delivered, drained  %10d  %9.0f /s\n", d, d / (t2 - t0)
	printf "CPU per event       %10.1f us\n", cpu * 1000 / a
	printf "Redis commands sent %10.2f per event (%.2f with those inside scripts)\n", sent / a, cmd / a
	printf "peak RSS            %10.1f MB\n", rss / 1024
}'
if grep -vE 'level=info' "$dir/evhookd.log" | head -5 | grep .; then
	echo 'see above: evhookd complained' >&2
fi
