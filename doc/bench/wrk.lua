-- Publishes to a running evhookd with wrk (see load.md beside this file):
--
--     wrk -t1 -c64 -d10s -s doc/bench/wrk.lua http://127.0.0.1:8080
--
-- TENANT is any UUID; TOKEN the bearer token where there are keys; BYTES the size of an event's data;
-- EVENTS how many a request has.
local tenant = os.getenv("TENANT") or "6f1f2b5e-7a0c-4a53-9c39-0f2f5d3e8a11"
local bytes = tonumber(os.getenv("BYTES") or "500")
local events = tonumber(os.getenv("EVENTS") or "1")

local event = '{"type": "load.test", "data": {"text": "' .. string.rep("x", bytes - 12) .. '"}}'
local body = event
if events > 1 then
	body = "[" .. event .. string.rep("," .. event, events - 1) .. "]"
end
local headers = { ["Content-Type"] = "application/json", ["Prefer"] = "return=minimal" }
if os.getenv("TOKEN") then
	headers["Authorization"] = "Bearer " .. os.getenv("TOKEN")
end

wrk.method = "POST"
wrk.path = "/event/" .. tenant .. "/events"
wrk.headers = headers
wrk.body = body

function done(summary, latency)
	local refused = summary.errors.status
	local accepted = (summary.requests - refused) * events
	io.write(string.format("\n%d events accepted, %.0f a second; %d requests refused, p99 %.2f ms\n",
		accepted, accepted * 1e6 / summary.duration, refused, latency:percentile(99) / 1000))
end
