#!lua flags=allow-oom
-- Ends an attempt to deliver an alert notice.
-- ARGV: webhook, what (ack, drop, retry), and for each: lease end, locator, attempt, ms until the
--       retry.
-- Returns how many were ended or put off.  A notice that was delivered goes whatever its lease says.
local webhook, what = ARGV[1] .. ':alert', ARGV[2]
local queue, copies = p .. 'q:' .. webhook, p .. 'rt:' .. webhook
local done = 0
need('HSET', 'ZADD', 'ZREM', 'HDEL')
for i = 3, #ARGV, 4 do
	local locator = ARGV[i + 1]
	local held = redis.call('ZSCORE', queue, locator)
	local copy = redis.call('HGET', copies, locator)
	if held and copy and (what == 'ack' or tonumber(held) == tonumber(ARGV[i])) then
		done = done + 1
		if what == 'retry' then
			local at = wait_score(now_ms() + ARGV[i + 3] + 1) -- not too early
			redis.call('HSET', copies, locator, ARGV[i + 2] .. ' '
				.. string.sub(copy, string.find(copy, ' ', 1, true) + 1))
			redis.call('ZADD', queue, at, locator)
			wake(webhook, at)
		else
			redis.call('ZREM', queue, locator)
			redis.call('HDEL', copies, locator)
		end
	end
end
return done
