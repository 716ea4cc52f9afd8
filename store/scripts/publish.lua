-- Stores the events of some requests of one tenant and every delivery that they cause: each request
-- as a whole or not at all.
-- ARGV: tenant, lease ms, leases wanted at most, --max-fanout, --max-pending, --max-diverted,
--       idempotency key's hash ('' for none; then there is one request), hash of the body
--       and ":<user>" whom the events without a userLocator are by, if anybody, its TTL ms, TTL ms of request ids, '1' when the tenant is to be noted for trimming, traceparent,
--       tracestate ('' for none), n webhooks that have no room here, these, and for each event: '1'
--       if a request begins with it, type, data, requestId, userLocator, timestamp ('' for none),
--       locator suffix.
-- Returns {'ok', lease end, for each event '<locator> [<webhook> <version> <how>]…', …}, how being l
--       (leased to the caller), w (waits, due now), o (its queue is full) or s (it is suspended), or
--       '! <deliveries>' for each event of a request that would cause more than --max-fanout,
--       {'replay', '[:<user>] <locator> …'} or {'conflict'}.
local call, find, sub, byte, concat = redis.call, string.find, string.sub, string.byte, table.concat
local tenant, lease_ms, budget = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local max_fanout, max_pending, max_diverted = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local idem, body_hash = ARGV[7], sub(ARGV[8], 1, 64)
local nfull = tonumber(ARGV[14])
local EACH = 7
local first = 15 + nfull
local last = #ARGV

local idem_key = p .. 'idem:' .. tenant .. ':' .. idem
if idem ~= '' then
	local known = call('GET', idem_key)
	if known then
		if sub(known, 1, 64) ~= body_hash then
			return { 'conflict' }
		end
		-- a write, so that WAIT is about what the first request wrote too
		call('PEXPIRE', idem_key, call('PTTL', idem_key))
		return { 'replay', sub(known, 65) }
	end
end

-- The subscribed webhooks of a type, each once however many of its patterns match.  What is known of
-- each (see subscribe() in lib.lua) is read once.
local hooks = {}
local by_locator = {}
local function subscribers(event_type)
	local keys = p .. 'sub:' .. tenant .. ':'
	local list = {}
	local function add(pattern)
		local members = call('HGETALL', keys .. pattern)
		for i = 1, #members, 2 do
			local hook = by_locator[members[i]]
			if not hook then
				local value = members[i + 1]
				local space = find(value, ' ', 1, true)
				hook = { webhook = members[i], version = sub(value, 1, space - 1), load = 0,
					suspended = byte(value, space + 1) == 115, value = value }
				by_locator[members[i]] = hook
				hooks[#hooks + 1] = hook
			end
			if hook.seen ~= event_type then
				hook.seen = event_type
				list[#list + 1] = hook
			end
		end
	end
	add(event_type)
	local dot = find(event_type, '.', 1, true)
	while dot do
		add(sub(event_type, 1, dot) .. '*')
		dot = find(event_type, '.', dot + 1, true)
	end
	add('*')
	return list
end

-- First everything is read and checked.
local of_type, fanout = {}, {}
local request_at
for i = first, last, EACH do
	local event_type = ARGV[i + 1]
	local list = of_type[event_type]
	if not list then
		list = subscribers(event_type)
		of_type[event_type] = list
	end
	if ARGV[i] == '1' then
		request_at = i
		fanout[i] = 0
	end
	fanout[request_at] = fanout[request_at] + #list
	for j = 1, #list do
		list[j].load = list[j].load + 1
	end
end

local now = now_ms()
local leased, waiting = lease_score(now + lease_ms), wait_score(now)
local full = {}
for i = 1, nfull do
	full[ARGV[14 + i]] = true
end
for i = 1, #hooks do
	local hook = hooks[i]
	hook.members = {}
	if hook.suspended then
		hook.room = 0
	else
		hook.room = max_pending - call('ZCARD', p .. 'q:' .. hook.webhook)
		if not full[hook.webhook] and budget >= hook.load then
			hook.how, hook.score = ' l', leased
			budget = budget - hook.load
		else
			hook.how, hook.score = ' w', waiting
		end
	end
end

-- From here on it writes.
local events = p .. 'ev:' .. tenant
local out = { 'ok', leased }
local locators = {}
local request, last_ms, last_ms_text

-- The names and values of the i-th argument's event, none that is empty.
local function fields_at(i)
	local fields = { 'type', ARGV[i + 1], 'data', ARGV[i + 2], 'suffix', ARGV[i + 6] }
	local n = 6
	local function field(name, value)
		if value and value ~= '' then
			fields[n + 1], fields[n + 2] = name, value
			n = n + 2
		end
	end
	field('requestId', ARGV[i + 3] ~= '' and ARGV[i + 3] or request)
	field('userLocator', ARGV[i + 4])
	field('timestamp', ARGV[i + 5])
	field('traceparent', ARGV[12])
	field('tracestate', ARGV[13])
	return fields
end

-- How many events the request that begins at i has, '' for one.
local function request_size(i)
	local n = 1
	while ARGV[i + n * EACH] == '' do
		n = n + 1
	end
	return n > 1 and int(n) or ''
end

-- What becomes of an event that is not queued for a webhook.
local function refuse(hook, locator, ms, fields)
	local trigger = hook.suspended and 'suspended' or 'overflow'
	local message = hook.suspended and 'the webhook is suspended' or 'the queue is full'
	local event = fields_of(fields)
	local diverted = false
	if find(hook.value, ' divert', 1, true) then
		diverted = divert(hook.webhook, locator, max_diverted, trigger, message, '0',
			copy_of(locator, ms, event))
	else
		count(hook.webhook, 'dropped')
	end
	if not hook.suspended and find(hook.value, ' alert', 1, true) then
		alert(hook.webhook, event.suffix, { event = locator, request = event.requestId or locator,
			type = event.type, trigger = trigger, message = message, attempts = '0',
			diverted = diverted, suspended = false })
	end
	return hook.suspended and ' s' or ' o'
end

-- Adds the event to the stream; returns its locator and the ms in it.
local function append(i, fields)
	local id = call('XADD', events, '*', unpack(fields))
	local dash = find(id, '-', 1, true)
	local ms, seq = sub(id, 1, dash - 1), tonumber(sub(id, dash + 1))
	if seq > 0xfffff then
		-- the sequence of this ms is used up: go on in the next one
		call('XDEL', events, id)
		ms, seq = int(ms + 1), 0
		id = call('XADD', events, ms .. '-0', unpack(fields))
	end
	if ms ~= last_ms then
		last_ms, last_ms_text = ms, base32(tonumber(ms), 10)
	end
	if ARGV[i + 3] ~= '' then
		local list = p .. 'req:' .. tenant .. ':' .. ARGV[i + 3]
		if call('LLEN', list) < 1000 then
			call('RPUSH', list, id)
		end
		call('PEXPIRE', list, ARGV[10])
	end
	return last_ms_text .. (seq == 0 and '0000' or base32(seq, 4)) .. ARGV[i + 6], ms
end

for i = first, last, EACH do
	if ARGV[i] == '1' then
		request_at, request = i, nil
	end
	if fanout[request_at] > max_fanout then
		out[#out + 1] = '! ' .. fanout[request_at]
	else
		local fields = fields_at(i)
		if not request then
			local n = request_size(i)
			if n ~= '' then
				fields[#fields + 1] = 'n'
				fields[#fields + 1] = n
			end
		end
		local locator, ms = append(i, fields)
		request = request or locator
		locators[#locators + 1] = locator
		local line = { locator }
		local list = of_type[ARGV[i + 1]]
		for j = 1, #list do
			local hook = list[j]
			local how = hook.how
			if hook.room > 0 then
				hook.room = hook.room - 1
				local members = hook.members
				members[#members + 1] = hook.score
				members[#members + 1] = locator
			else
				how = refuse(hook, locator, ms, fields)
			end
			line[j + 1] = ' ' .. hook.webhook .. ' ' .. hook.version .. how
		end
		out[#out + 1] = concat(line)
	end
end

local wakes = { 'LT' }
for i = 1, #hooks do
	local hook = hooks[i]
	if hook.members[1] then
		call('ZADD', p .. 'q:' .. hook.webhook, unpack(hook.members))
		wakes[#wakes + 1] = hook.members[1]
		wakes[#wakes + 1] = hook.webhook
		if #wakes > 2000 then
			call('ZADD', p .. 'due', unpack(wakes))
			wakes = { 'LT' }
		end
	end
end
if wakes[2] then
	call('ZADD', p .. 'due', unpack(wakes))
end
if idem ~= '' and locators[1] then
	call('SET', idem_key, ARGV[8] .. ' ' .. concat(locators, ' '), 'PX', ARGV[9])
end
if ARGV[11] == '1' then
	call('ZADD', p .. 'tenants', 'NX', waiting, tenant)
end
return out
