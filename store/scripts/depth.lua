-- How much is queued in all shards, counted queue by queue, some in one call.
-- ARGV: lease ms, queues to count at most, the shard (from 0) and the place in its wake-up index to
--       go on from, prefixes of the shards.
-- Returns {now, time of the earliest queue ('' for none), number of queues in the indexes, shard to go on with
--       ('' at the end), place in its index, and of the queues counted here: entries that are due,
--       that are leased or due within a lease, that are due later, and by the first call of a count
--       what the events of the tenants take that have most: bytes, …}.
local lease_ms, most, shard, position =
	tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local FIRST = 5
local now = now_ms()
local out = { int(now), '', 0, '', 0, 0, 0, 0 }
local earliest

local function tally(queue)
	local all = redis.call('ZCARD', queue)
	local is_due = redis.call('ZCOUNT', queue, '-inf', now)
	-- a lease ends within a lease's time, and a ms
	local later = redis.call('ZCOUNT', queue, int(now + lease_ms + 2), '+inf')
	out[6] = out[6] + is_due
	out[7] = out[7] + all - is_due - later
	out[8] = out[8] + later
end

for i = FIRST, #ARGV do
	local due = ARGV[i] .. 'due'
	local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
	if first[2] then
		out[3] = out[3] + redis.call('ZCARD', due)
		earliest = math.min(earliest or first[2], first[2])
	end
	if first[2] and i - FIRST >= shard and out[4] == '' then
		local from = i - FIRST == shard and position or 0
		local names = redis.call('ZRANGE', due, from, from + most - 1)
		for _, name in ipairs(names) do
			tally(ARGV[i] .. 'q:' .. name)
		end
		most = most - #names
		if most <= 0 then
			out[4], out[5] = int(i - FIRST), from + #names
		end
	end
end
if earliest then
	out[2] = int(earliest)
end

local TENANTS = 10
if shard == 0 and position == 0 then
	local most_bytes = {}
	for i = FIRST, #ARGV do
		local found = redis.call('ZREVRANGE', ARGV[i] .. 'bytes', 0, TENANTS - 1, 'WITHSCORES')
		for j = 2, #found, 2 do
			most_bytes[#most_bytes + 1] = tonumber(found[j])
		end
	end
	table.sort(most_bytes, function(a, b) return a > b end)
	for i = 1, math.min(TENANTS, #most_bytes) do
		out[#out + 1] = int(most_bytes[i])
	end
end
return out
