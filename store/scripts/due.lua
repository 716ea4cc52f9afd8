#!lua flags=allow-oom
-- When each shard has work: one look for all of them.  It writes the time now and then, so that a
-- clock that was set back is noticed, and a Redis that became a replica refuses it.
-- ARGV: prefixes of the shards.
-- Returns {now, how far back the clock went as long as that is being mended (see shift.lua; '' when
-- all is well), time of the earliest queue of each shard ('' for none), …}.
local EVERY_MS = 3000 -- the time is written
local SLACK_MS = 2000 -- so little may be somebody adjusting the clock
local CLOCK = 'evhook:clock'
local now = now_ms()
local clock = redis.pcall('HMGET', CLOCK, 'at', 'back')
if clock.err then
	redis.call('UNLINK', CLOCK)
	complain(CLOCK, 'was of the wrong type and is made anew')
	clock = {}
end
local at, back = tonumber(clock[1]), tonumber(clock[2])
if not at or now >= at + EVERY_MS then
	redis.call('HSET', CLOCK, 'at', int(now))
elseif now < at - SLACK_MS then
	local further = at - now
	back = (back or 0) + further + further % 2 -- even: odd scores stay odd
	redis.call('HSET', CLOCK, 'at', int(now), 'back', int(back), 'shard', '1', 'scan', '0',
		'names', '', 'from', '')
end
local out = { int(now), back and int(back) or '' }
for i = 1, #ARGV do
	local first = redis.call('ZRANGE', ARGV[i] .. 'due', 0, 0, 'WITHSCORES')
	out[#out + 1] = first[2] or ''
end
return out
