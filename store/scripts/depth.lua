-- How much is queued in all shards, counted queue by queue, some in one call.
-- ARGV: lease ms, queues to count at most, the shard (from 0) and the place in its wake-up index to
--       go on from, prefixes of the shards.
-- Returns {now, time of the earliest queue ('' for none), number of queues in the indexes, shard to go on with
--       ('' at the end), place in its index, and of the queues counted here: entries that are due,
--       that are leased or due within a lease, that are due later, then by the first call of a count
--       what the events of the tenants take that have most: {tenant, bytes, …}, then the longest of
--       the queues counted here: {queue, tenant, entries, of them due, time of the earliest, …}, and
--       by the first call the queue that is due earliest, in the same way}.
local lease_ms, most, shard, position =
	tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local FIRST = 5
local now = now_ms()
local out = { int(now), '', 0, '', 0, 0, 0, 0, {}, {}, {} }
local LONGEST = 10
local longest = {} -- {prefix, name, entries, due}, the longest first
local earliest, earliest_of

local function note(prefix, name, all, is_due)
	if all == 0 or (#longest == LONGEST and longest[LONGEST][3] >= all) then
		return
	end
	local at = math.min(#longest + 1, LONGEST)
	while at > 1 and longest[at - 1][3] < all do
		longest[at] = longest[at - 1]
		at = at - 1
	end
	longest[at] = { prefix, name, all, is_due }
end

-- Appends what is told of a queue.
local function tell(list, prefix, name, all, is_due)
	local tenant = redis.pcall('HGET', prefix .. 'wh:' .. string.gsub(name, ':.*', ''), 'tenant')
	local first = redis.call('ZRANGE', prefix .. 'q:' .. name, 0, 0, 'WITHSCORES')[2]
	for _, value in ipairs({ name, type(tenant) == 'string' and tenant or '', all, is_due, first or '' }) do
		list[#list + 1] = value
	end
end

local function tally(prefix, name)
	local queue = prefix .. 'q:' .. name
	local all = redis.call('ZCARD', queue)
	local is_due = redis.call('ZCOUNT', queue, '-inf', now)
	-- a lease ends within a lease's time, and a ms
	local later = redis.call('ZCOUNT', queue, int(now + lease_ms + 2), '+inf')
	out[6] = out[6] + is_due
	out[7] = out[7] + all - is_due - later
	out[8] = out[8] + later
	note(prefix, name, all, is_due)
end

for i = FIRST, #ARGV do
	local due = ARGV[i] .. 'due'
	local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
	if first[2] then
		out[3] = out[3] + redis.call('ZCARD', due)
		if not earliest or tonumber(first[2]) < earliest then
			earliest, earliest_of = tonumber(first[2]), { ARGV[i], first[1] }
		end
	end
	if first[2] and i - FIRST >= shard and out[4] == '' then
		local from = i - FIRST == shard and position or 0
		local names = redis.call('ZRANGE', due, from, from + most - 1)
		for _, name in ipairs(names) do
			tally(ARGV[i], name)
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
			most_bytes[#most_bytes + 1] = { found[j - 1], tonumber(found[j]) }
		end
	end
	table.sort(most_bytes, function(a, b) return a[2] > b[2] end)
	for i = 1, math.min(TENANTS, #most_bytes) do
		out[9][2 * i - 1], out[9][2 * i] = most_bytes[i][1], int(most_bytes[i][2])
	end
	if earliest_of then
		local queue = earliest_of[1] .. 'q:' .. earliest_of[2]
		tell(out[11], earliest_of[1], earliest_of[2], redis.call('ZCARD', queue),
			redis.call('ZCOUNT', queue, '-inf', now))
	end
end
for _, queue in ipairs(longest) do
	tell(out[10], unpack(queue))
end
return out
