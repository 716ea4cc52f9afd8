#!lua flags=allow-oom
-- One step of mending after Redis' clock was set back: what was due at a time of the old clock would
-- wait for as long as it went back, so its time is moved by that.  How far this has come is kept in
-- evhook:clock, so any number of instances may take steps, in any order.
-- Only what is further away than a lease is moved: it is from before, or waits for so long that being
-- early does no harm.  A lease ends within a lease's time.
-- ARGV: lease ms, prefixes of the shards.
-- Returns '1' when there is more to do.
local MOST, AT_ONCE = 500, 100
local CLOCK = 'evhook:clock'
local state = fields_of(redis.call('HGETALL', CLOCK))
local back = tonumber(state.back)
if not back then
	return ''
end
local now = now_ms()
local lease_ms = tonumber(ARGV[1])
local shard, scan, names, from = tonumber(state.shard), state.scan, state.names, state.from

-- Moves some of a queue's members, the earliest first.  Those that were moved lie before where it
-- goes on.  Returns where that is, '' at the end.
local function move(name)
	local queue, index = p .. 'q:' .. name, p .. 'rq:' .. name
	local first = from ~= '' and from or '(' .. int(now + lease_ms + 2)
	local found = redis.call('ZRANGE', queue, first, '+inf', 'BYSCORE', 'LIMIT', 0, AT_ONCE,
		'WITHSCORES')
	local moved = {}
	for i = 1, #found, 2 do
		local score = tonumber(found[i + 1])
		local to = score - back
		if score % 2 == 1 and to > now + lease_ms then
			to = lease_score(now + lease_ms)
		end
		moved[i], moved[i + 1] = int(to), found[i]
	end
	if moved[1] then
		redis.call('ZADD', queue, 'XX', unpack(moved))
		redis.call('ZADD', index, 'XX', unpack(moved))
	end
	rewake(name)
	return #found == 2 * AT_ONCE and found[#found] or ''
end

local left = MOST
while left > 0 and ARGV[1 + shard] do
	p = ARGV[1 + shard]
	if names ~= '' then
		local name, rest = string.match(names, '^(%S+) ?(.*)$')
		from = name and move(name) or ''
		if from == '' then
			names = rest or ''
		end
		left = left - AT_ONCE / 10
		if from ~= '' then
			left = left - AT_ONCE
		end
	elseif scan == '' then
		shard, scan = shard + 1, '0'
	else
		local page = redis.call('ZSCAN', p .. 'due', scan, 'COUNT', 20)
		local list = {}
		for i = 1, #page[2], 2 do
			list[#list + 1] = page[2][i]
		end
		names, scan = table.concat(list, ' '), page[1] ~= '0' and page[1] or ''
		left = left - 1
	end
end
if not ARGV[1 + shard] then
	redis.call('HDEL', CLOCK, 'back', 'shard', 'scan', 'names', 'from')
	return ''
end
redis.call('HSET', CLOCK, 'shard', int(shard), 'scan', scan, 'names', names, 'from', from)
return '1'
