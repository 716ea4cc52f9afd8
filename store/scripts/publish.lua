-- Stores the events of one request and every delivery that they cause: all or nothing.
-- ARGV: tenant, lease ms, leases wanted at most, --max-fanout, --max-pending,
--       idempotency key's hash ('' for none), hash of the body, its TTL ms,
--       TTL ms of request ids, TTL '1' when the tenant is to be noted for trimming,
--       traceparent, tracestate ('' for none), n webhooks that have no room here, these, and for
--       each event:
--       type, data, requestId, userLocator, timestamp ('' for none), locator suffix.
-- Returns {'ok', lease end, '<locator> [<webhook> <version> <how>]…', …}, how being l (leased to
--       the caller), w (waits, due now) or o (overflow: not queued),
--       {'replay', '<locator> …'}, {'conflict'} or {'fanout', deliveries}.
local tenant, lease_ms, budget = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local max_fanout, max_pending = tonumber(ARGV[4]), tonumber(ARGV[5])
local idem, body_hash = ARGV[6], ARGV[7]
local nfull = tonumber(ARGV[13])
local first = 14 + nfull

local idem_key = p .. 'idem:' .. tenant .. ':' .. idem
if idem ~= '' then
	local known = redis.call('GET', idem_key)
	if known then
		local space = string.find(known, ' ', 1, true)
		if string.sub(known, 1, space - 1) ~= body_hash then
			return { 'conflict' }
		end
		return { 'replay', string.sub(known, space + 1) }
	end
end

-- The webhooks of a type, each once however many of its patterns match.
local function subscribers(event_type)
	local keys = p .. 'sub:' .. tenant .. ':'
	local seen, list = {}, {}
	local function add(pattern)
		local members = redis.call('HGETALL', keys .. pattern)
		for i = 1, #members, 2 do
			if not seen[members[i]] then
				seen[members[i]] = true
				list[#list + 1] = members[i]
				list[#list + 1] = members[i + 1]
			end
		end
	end
	add(event_type)
	local dot = string.find(event_type, '.', 1, true)
	while dot do
		add(string.sub(event_type, 1, dot) .. '*')
		dot = string.find(event_type, '.', dot + 1, true)
	end
	add('*')
	return list
end

-- First everything is read and checked.
local of_type, load = {}, {}
local fanout = 0
for i = first, #ARGV, 6 do
	local list = of_type[ARGV[i]]
	if not list then
		list = subscribers(ARGV[i])
		of_type[ARGV[i]] = list
	end
	fanout = fanout + #list / 2
	for j = 1, #list, 2 do
		load[list[j]] = (load[list[j]] or 0) + 1
	end
end
if fanout > max_fanout then
	return { 'fanout', fanout }
end

local now = now_ms()
local score = { l = lease_score(now + lease_ms), w = int(now) }
local how, room, queued = {}, {}, {}
for i = 1, nfull do
	how[ARGV[13 + i]] = 'w'
end
for webhook, n in pairs(load) do
	room[webhook] = max_pending - redis.call('ZCARD', p .. 'q:' .. webhook)
	if not how[webhook] and budget >= n then
		how[webhook] = 'l'
		budget = budget - n
	else
		how[webhook] = 'w'
	end
	queued[webhook] = {}
end

-- From here on it writes.
local events = p .. 'ev:' .. tenant
local n_events = (#ARGV - first + 1) / 6
local out = { 'ok', int(now + lease_ms) }
local locators = {}
local request, last_ms, last_ms_text

local function append(i, id)
	local fields = { 'type', ARGV[i], 'data', ARGV[i + 1], 'suffix', ARGV[i + 5] }
	local function field(name, value)
		if value and value ~= '' then
			fields[#fields + 1] = name
			fields[#fields + 1] = value
		end
	end
	field('requestId', ARGV[i + 2] ~= '' and ARGV[i + 2] or request)
	field('userLocator', ARGV[i + 3])
	field('timestamp', ARGV[i + 4])
	field('traceparent', ARGV[11])
	field('tracestate', ARGV[12])
	if i == first and n_events > 1 then
		field('n', int(n_events))
	end
	return redis.call('XADD', events, id, unpack(fields))
end

for i = first, #ARGV, 6 do
	local id = append(i, '*')
	local ms, seq = string.match(id, '(%d+)-(%d+)')
	if tonumber(seq) > 0xfffff then
		-- the sequence of this ms is used up: go on in the next one
		redis.call('XDEL', events, id)
		id = append(i, int(ms + 1) .. '-0')
		ms, seq = string.match(id, '(%d+)-(%d+)')
	end
	if ms ~= last_ms then
		last_ms, last_ms_text = ms, base32(tonumber(ms), 10)
	end
	local locator = last_ms_text .. base32(tonumber(seq), 4) .. ARGV[i + 5]
	if not request then
		request = locator
	end
	locators[#locators + 1] = locator
	if ARGV[i + 2] ~= '' then
		local list = p .. 'req:' .. tenant .. ':' .. ARGV[i + 2]
		if redis.call('LLEN', list) < 1000 then
			redis.call('RPUSH', list, id)
		end
		redis.call('PEXPIRE', list, ARGV[9])
	end

	local line = { locator }
	local list = of_type[ARGV[i]]
	for j = 1, #list, 2 do
		local webhook = list[j]
		local as = how[webhook]
		if room[webhook] <= 0 then
			as = 'o'
			redis.call('HINCRBY', p .. 'st:' .. webhook, 'dropped', 1)
		else
			room[webhook] = room[webhook] - 1
			local members = queued[webhook]
			members[#members + 1] = score[as]
			members[#members + 1] = locator
		end
		line[#line + 1] = webhook
		line[#line + 1] = list[j + 1]
		line[#line + 1] = as
	end
	out[#out + 1] = table.concat(line, ' ')
end

local wakes = { 'LT' }
for webhook, members in pairs(queued) do
	if members[1] then
		redis.call('ZADD', p .. 'q:' .. webhook, unpack(members))
		wakes[#wakes + 1] = members[1]
		wakes[#wakes + 1] = webhook
		if #wakes > 2000 then
			redis.call('ZADD', p .. 'due', unpack(wakes))
			wakes = { 'LT' }
		end
	end
end
if wakes[2] then
	redis.call('ZADD', p .. 'due', unpack(wakes))
end
if idem ~= '' then
	redis.call('SET', idem_key, body_hash .. ' ' .. table.concat(locators, ' '), 'PX', ARGV[8])
end
if ARGV[10] == '1' then
	redis.call('ZADD', p .. 'tenants', 'NX', int(now), tenant)
end
return out
