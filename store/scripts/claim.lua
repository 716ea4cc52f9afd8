#!lua flags=allow-oom
-- Leases due deliveries of one shard to the caller.
-- ARGV: lease ms, deliveries wanted, first tries of one queue at most, position in the wake-up index,
--       queues looked at at most, --max-diverted, n queues with another room, and for each: its
--       name, how many first tries it has room for, how many retries besides; deliveries of one
--       tenant at most, and for each tenant with another room: it, its room.
-- Returns {now, lease end, position to go on from ('' at the end), time of the next queue
--       ('' for none), '1' when a queue that was not passed over still has due deliveries, what was
--       taken from queues of inactive webhooks: {{webhook, tenant, trigger, diverted, dropped}…},
--       then for each queue: {queue, tenant, version of its webhook, locator, event, …}}, an event
--       being the attempts made so far and a space, unless there were none, and then event_text() of
--       lib.lua, or the queue's own copy; '' when it is nowhere.
-- A queue is a webhook's locator, or that and ":alert".  Queues of webhooks that are gone are
-- removed; what waits for an inactive one is diverted or dropped here, at most 100 of a queue.
local lease_ms, wanted, each = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local position, looks, max_diverted = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local nqueues = tonumber(ARGV[7])
local BYTES_MAX = 1024 * 1024
local SWEEP_MAX = 100
local sweeps_left = 1000 -- events that one script sweeps
local now = now_ms()
local due = p .. 'due'
local lease = lease_score(now + lease_ms)
local out = { int(now), lease, '', '', '' }
local swept = {}
out[6] = swept
local room, room_for_retries, tenant_room = {}, {}, {}
for i = 8, 7 + 3 * nqueues, 3 do
	room[ARGV[i]], room_for_retries[ARGV[i]] = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
end
local of_tenant = tonumber(ARGV[8 + 3 * nqueues] or wanted)
for i = 9 + 3 * nqueues, #ARGV, 2 do
	tenant_room[ARGV[i]] = tonumber(ARGV[i + 1])
end
local bytes = 0

-- Entries of the stream are read some ahead, as those that a queue owes often stand side by side.
local AHEAD_MAX = 4
local SMALL = 64 * 1024 -- behind a larger one, one at a time
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
		if #(entry[2][4] or '') > SMALL then
			step = 1
		end
		return entry[2][6] == string.sub(locator, 15) and entry[2] or nil -- its suffix
	end
	return nil
end

-- Waits, due or not, and leases that ran out; live leases are spared: their own end decides.
-- Returns whether there may be more.
local function sweep(webhook, tenant, fate, trigger)
	local queue, attempts = p .. 'q:' .. webhook, p .. 'rt:' .. webhook
	local members = redis.call('ZRANGE', queue, 0, math.min(SWEEP_MAX, sweeps_left) - 1, 'WITHSCORES')
	local gone = {}
	for i = 1, #members, 2 do
		local score = tonumber(members[i + 1])
		if score % 2 == 0 or score <= now then
			gone[#gone + 1] = members[i]
		end
	end
	local n = #gone
	if n == 0 then
		return false
	end
	sweeps_left = sweeps_left - n
	local diverted = 0
	if string.find(fate or '', '^divert') then
		diverted = math.min(n, diverted_room(webhook, max_diverted))
	end
	if diverted > 0 then
		local made, records = redis.call('HMGET', attempts, unpack(gone)), {}
		for i = 1, diverted do
			records[2 * i - 1] = gone[i]
			records[2 * i] = diverted_record(trigger, 'the webhook is ' .. trigger, now,
				attempts_and_copy(made[i]))
		end
		divert(webhook, records)
	end
	if diverted < n then
		let_go(tenant, webhook, { unpack(gone, diverted + 1) })
		count(webhook, 'dropped', n - diverted)
	end
	swept[#swept + 1] = { webhook, tenant, trigger, diverted, n - diverted }
	redis.call('ZREM', queue, unpack(gone))
	redis.call('HDEL', attempts, unpack(gone))
	redis.call('ZREM', p .. 'rq:' .. webhook, unpack(gone))
	return redis.call('ZCARD', queue) > 0
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
local function due_of(name, has_made, most)
	local members = has_made
			and due_retries(name, math.min(most, room_for_retries[name] or most)) or {}
	local retries = #members
	local first = math.min(most - retries, room[name] or each)
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
	local queue, made, events = p .. 'q:' .. name, p .. 'rt:' .. name, p .. 'ev:' .. tenant
	local kept = p .. 'kp:' .. tenant
	local has_made = redis.call('EXISTS', made) == 1
	local has_kept = redis.call('EXISTS', p .. 'kr:' .. tenant .. ':' .. name) == 1
	local members, retries = due_of(name, has_made, math.min(wanted, tenant_room[tenant]))
	local leases, group, n = {}, { name, tenant, version }, 0
	ahead, at, step = {}, 1, 1
	for _, locator in ipairs(members) do
		if bytes >= BYTES_MAX then
			break
		end
		local value = has_made and redis.call('HGET', made, locator)
		local attempts, copy = attempts_and_copy(value)
		local event
		if copy then
			event = value
		else
			event = has_kept and redis.call('HGET', kept, locator)
			if not event then
				event = entry_of(events, locator)
				event = event and table.concat(event, '\0') or redis.call('HGET', kept, locator) or ''
			end
			if attempts ~= '0' then
				event = attempts .. ' ' .. event
			elseif value and value ~= '0' then
				complain(made, 'held nothing of ' .. locator)
			end
		end
		n = n + 2
		leases[n - 1], leases[n] = lease, locator
		group[n + 2], group[n + 3] = locator, event
		bytes = bytes + #event + 100
		wanted = wanted - 1
		tenant_room[tenant] = tenant_room[tenant] - 1
	end
	if n > 0 then
		redis.call('ZADD', queue, unpack(leases))
		if retries > 0 then
			redis.call('ZADD', p .. 'rq:' .. name, 'XX', unpack(leases))
		end
		out[#out + 1] = group
	end
end

-- Returns when the queue is to be looked at again, nil when it is empty; and whether its tenant has
-- no room for more.
local function visit(name)
	if name == UNFINISHED then
		complain(due, 'lacks queues, and is made anew from them')
		redis.call('ZADD', due, int(now + 1000 * UNFINISHED_S), name)
		return now + 1000 * UNFINISHED_S
	end
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
		local tenant = state[1]
		tenant_room[tenant] = tenant_room[tenant] or of_tenant
		if tenant_room[tenant] > 0 then
			claim(name, tenant, state[2])
		end
		return rewake(name), tenant_room[tenant] <= 0
	end
	return rewake(name)
end

-- The same; a queue that cannot be worked off, as something about it is damaged, is left alone for
-- a minute, so that the others go on.
local DAMAGED_MS = 60000
local function try(name)
	local worked, next_at, has_no_room = pcall(visit, name)
	if worked then
		return next_at, has_no_room
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
	if wanted <= 0 or bytes >= BYTES_MAX or sweeps_left <= 0 then
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
		local next_at, has_no_room = try(name)
		if next_at and next_at <= now then
			passed = passed + 1
			if not has_no_room then
				out[5] = '1'
			end
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
