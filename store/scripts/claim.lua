#!lua flags=allow-oom
-- Leases due deliveries of one shard to the caller.
-- ARGV: lease ms, deliveries wanted, at most so many of one queue, position in the wake-up index,
--       queues looked at at most, --max-diverted, n queues that have little room here, and for each
--       of them: its name, how many first tries it has room for, how many retries.
-- Returns {now, lease end, position to go on from ('' at the end), time of the next queue
--       ('' for none), '1' when a queue that was not passed over still has due deliveries, what was
--       taken from queues of inactive webhooks: {{webhook, tenant, trigger, diverted, dropped}…},
--       then for each queue: {queue, tenant, version of its webhook, locator, event, …}}, an event
--       being the queue's own copy as it is in rt, or the fields of its stream entry with NULs
--       between them: in one piece, as what is nested costs more than all the rest.
-- A queue is a webhook's locator, or that and ":alert".  Queues of webhooks that are gone are
-- removed; what waits for an inactive one is diverted or dropped here, at most 100 of a queue.
local lease_ms, wanted, each = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local position, looks, max_diverted = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local nfull = tonumber(ARGV[7])
local BYTES_MAX = 4 * 1024 * 1024
local SWEEP_MAX = 100
local now = now_ms()
local due = p .. 'due'
local lease = lease_score(now + lease_ms)
local out = { int(now), lease, '', '', '' }
local swept = {}
out[6] = swept
local room, room_for_retries = {}, {}
for i = 8, 7 + 3 * nfull, 3 do
	room[ARGV[i]], room_for_retries[ARGV[i]] = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
end
local bytes = 0

-- Entries of the stream are read some ahead, as those that a queue owes often stand side by side.
local AHEAD_MAX = 8
local ahead, at, step = {}, 1, 1
local function entry_of(events, locator)
	local id = stream_id(locator)
	local entry = ahead[at]
	if not entry or entry[1] ~= id then
		step = entry and 1 or math.min(2 * step, AHEAD_MAX)
		ahead, at = redis.call('XRANGE', events, id, '+', 'COUNT', step), 1
		entry = ahead[1]
	end
	if entry and entry[1] == id then
		at = at + 1
		return entry[2][6] == string.sub(locator, 15) and entry[2] or nil -- its suffix
	end
	return nil
end

local function lost(name, locator)
	redis.call('ZREM', p .. 'q:' .. name, locator)
	redis.call('ZREM', p .. 'rq:' .. name, locator)
	redis.log(redis.LOG_WARNING, 'evhook: no event for ' .. p .. 'q:' .. name .. ' ' .. locator)
end

-- Waits, due or not, and leases that ran out; live leases are spared: their own end decides.
-- Returns whether there may be more.
local function sweep(webhook, tenant, fate, trigger)
	local queue = p .. 'q:' .. webhook
	local members = redis.call('ZRANGE', queue, 0, SWEEP_MAX - 1, 'WITHSCORES')
	local gone, diverted, dropped = {}, 0, 0
	for i = 1, #members, 2 do
		local locator, score = members[i], tonumber(members[i + 1])
		if bytes >= BYTES_MAX then
			break
		end
		if score % 2 == 0 or score <= now then
			gone[#gone + 1] = locator
			if string.find(fate or '', '^divert') then
				local attempts, copy = owed(webhook, tenant, locator)
				if copy then
					bytes = bytes + #copy
					if divert(webhook, locator, max_diverted, trigger,
						'the webhook is ' .. trigger, attempts, copy) then
						diverted = diverted + 1
					else
						dropped = dropped + 1
					end
				end
			else
				count(webhook, 'dropped')
				dropped = dropped + 1
			end
		end
	end
	if gone[1] then
		swept[#swept + 1] = { webhook, tenant, trigger, diverted, dropped }
		redis.call('ZREM', queue, unpack(gone))
		redis.call('HDEL', p .. 'rt:' .. webhook, unpack(gone))
		redis.call('ZREM', p .. 'rq:' .. webhook, unpack(gone))
	end
	return gone[1] ~= nil and redis.call('ZCARD', queue) > 0
end

-- Retries that are due, by rq; where that says other than the queue, the queue is right.
local function due_retries(name, most)
	local index = p .. 'rq:' .. name
	local found = redis.call('ZRANGE', index, '-inf', now, 'BYSCORE', 'LIMIT', 0, most)
	local scores = found[1] and redis.call('ZMSCORE', p .. 'q:' .. name, unpack(found))
	local retries = {}
	for i, locator in ipairs(found) do
		if not scores[i] then
			redis.call('ZREM', index, locator)
		elseif tonumber(scores[i]) > now then
			redis.call('ZADD', index, scores[i], locator)
		else
			retries[#retries + 1] = locator
		end
	end
	return retries
end

-- What is due of a queue: retries before first tries, however long those wait.
local function due_of(name, has_copies)
	local most = math.min(each, wanted)
	local members = has_copies
			and due_retries(name, math.min(most, room_for_retries[name] or most)) or {}
	local retries = #members
	local first = math.min(most - retries, room[name] or most)
	if first <= 0 then
		return members, retries
	end
	local waiting = redis.call('ZRANGE', p .. 'q:' .. name, '-inf', now, 'BYSCORE', 'LIMIT', 0,
		first + retries)
	if retries == 0 then
		return waiting, 0
	end
	local taken = {}
	for i = 1, retries do
		taken[members[i]] = true
	end
	for _, locator in ipairs(waiting) do
		if not taken[locator] and #members < retries + first then
			members[#members + 1] = locator
		end
	end
	return members, retries
end

local function claim(name, tenant, version)
	local queue, copies, events = p .. 'q:' .. name, p .. 'rt:' .. name, p .. 'ev:' .. tenant
	local has_copies = redis.call('EXISTS', copies) == 1
	local members, retries = due_of(name, has_copies)
	local leases, group, n = {}, { name, tenant, version }, 0
	ahead, at, step = {}, 1, 1
	for _, locator in ipairs(members) do
		if bytes >= BYTES_MAX then
			break
		end
		local event = has_copies and redis.call('HGET', copies, locator)
		if event and not string.find(event, '^%d+ {') then
			complain(copies, 'held no copy of ' .. locator)
			event = nil
		end
		if not event then
			event = entry_of(events, locator)
			event = event and table.concat(event, '\0')
		end
		if event then
			n = n + 2
			leases[n - 1], leases[n] = lease, locator
			group[n + 2], group[n + 3] = locator, event
			bytes = bytes + #event + 100
			wanted = wanted - 1
		else
			lost(name, locator)
		end
	end
	if n > 0 then
		redis.call('ZADD', queue, unpack(leases))
		if retries > 0 then
			redis.call('ZADD', p .. 'rq:' .. name, 'XX', unpack(leases))
		end
		out[#out + 1] = group
	end
end

-- Returns when the queue is to be looked at again; nil when it is empty.
local function visit(name)
	local webhook = string.sub(name, 1, 26)
	local state = redis.call('HMGET', p .. 'wh:' .. webhook, 'tenant', 'version', 'enabled',
		'suspendedAt', 'fate')
	if not state[1] then
		redis.call('UNLINK', p .. 'q:' .. name, p .. 'rt:' .. name, p .. 'rq:' .. name)
	elseif name == webhook and (state[3] ~= '1' or state[4] ~= '0') then
		local trigger = state[3] ~= '1' and 'disabled' or 'suspended'
		if sweep(webhook, state[1], state[5], trigger) then
			redis.call('ZADD', due, int(now), name)
			return now
		end
	else
		claim(name, state[1], state[2])
	end
	return rewake(name)
end

-- The same; a queue that cannot be worked off, as something about it is damaged, is left alone for
-- a minute, so that the others go on.
local DAMAGED_MS = 60000
local function try(name)
	local worked, next_at = pcall(visit, name)
	if worked then
		return next_at
	end
	local fault = type(next_at) == 'table' and next_at.err or tostring(next_at)
	complain(p .. 'q:' .. name, 'cannot be worked off: ' .. fault)
	redis.call('ZADD', due, int(now + DAMAGED_MS), name)
	return now + DAMAGED_MS
end

-- For a queue that has no room for first tries: it stays as it is in the index.
local function has_due_retries(name)
	return room_for_retries[name] > 0
		and redis.call('ZCOUNT', p .. 'rq:' .. name, '-inf', now) > 0
end

local queues = redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', position, looks)
local passed = 0
for i, name in ipairs(queues) do
	if wanted <= 0 or bytes >= BYTES_MAX then
		out[3] = int(position + passed)
		out[5] = '1'
		break
	end
	if room[name] == 0 then
		passed = passed + 1
		if has_due_retries(name) then
			local next_at = try(name)
			if not next_at or next_at > now then
				passed = passed - 1
			end
		end
	else
		local next_at = try(name)
		if next_at and next_at <= now then
			passed = passed + 1
			out[5] = '1'
		end
	end
	if i == looks then
		out[3] = int(position + passed)
	end
end
local later = redis.call('ZRANGE', due, '(' .. int(now), '+inf', 'BYSCORE', 'LIMIT', 0, 1,
	'WITHSCORES')
if later[2] then
	out[4] = later[2]
end
return out
