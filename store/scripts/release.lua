#!lua flags=allow-oom
-- Hands leases back: what the caller still holds is due now, for whoever has room.
-- ARGV: webhook, '1' to tell the others, and for each: lease end, locator.
-- Returns how many were handed back.
local webhook = ARGV[1]
local queue = p .. 'q:' .. webhook
local now = wait_score(now_ms())
local back = 0
for i = 3, #ARGV, 2 do
	local held = redis.call('ZSCORE', queue, ARGV[i + 1])
	if held and tonumber(held) == tonumber(ARGV[i]) then
		redis.call('ZADD', queue, now, ARGV[i + 1])
		back = back + 1
	end
end
if back > 0 then
	wake(webhook, now)
	if ARGV[2] == '1' then
		redis.call('PUBLISH', CHANGES, 'due ' .. p)
	end
end
return back
