#!lua flags=allow-oom
-- Hands leases back: what the caller still holds is due now, for whoever has room.
-- ARGV: webhook, '1' to tell the others, n locators, n ends of their leases.
-- Returns how many were handed back.
local webhook, n = ARGV[1], (#ARGV - 2) / 2
local queue = p .. 'q:' .. webhook
local now = wait_score(now_ms())
local held = redis.call('ZMSCORE', queue, unpack(ARGV, 3, 2 + n))
local back = {}
for i = 1, n do
	if held[i] == ARGV[2 + n + i] then
		back[#back + 1] = now
		back[#back + 1] = ARGV[2 + i]
	end
end
if back[1] then
	redis.call('ZADD', queue, unpack(back))
	redis.call('ZADD', p .. 'rq:' .. webhook, 'XX', unpack(back)) -- those that are retries
	wake(webhook, now)
	if ARGV[2] == '1' then
		redis.pcall('PUBLISH', CHANGES, 'due ' .. p) -- only a hint
	end
end
return #back / 2
