-- Stores the events of one request and every delivery that they cause: all or nothing.
-- ARGV: tenant, lease ms, leases wanted at most, --max-fanout, --max-pending,
--       idempotency key's hash ('' for none), hash of the body, its TTL ms,
--       TTL ms of request ids, TTL '1' when the tenant is to be noted for trimming,
--       traceparent, tracestate ('' for none), --max-diverted, n webhooks that have no room here,
--       these, and for each event: type, data, requestId, userLocator, timestamp ('' for none), locator suffix.
-- Returns {'ok', lease end, '<locator> [<webhook> <version> <how>]…', …}, how being l (leased to
--       the caller), w (waits, due now), o (its queue is full) or s (it is suspended),
--       {'replay', '<locator> …'}, {'conflict'} or {'fanout', deliveries}.
local tenant, lease_ms, budget = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local max_fanout, max_pending = tonumber(ARGV[4]), tonumber(ARGV[5])
local idem, body_hash = ARGV[6], ARGV[7]
local max_diverted, nfull = ARGV[13], tonumber(ARGV[14])
local first = 15 + nfull

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

-- The webhooks of a type, each once however many of its patterns match; hooks holds what is known of
-- each: version, whether it is suspended, and what becomes of what cannot be queued.
local hooks = {}
local function subscribers(event_type)
	local keys = p .. 'sub:' .. tenant .. ':'
	local seen, list = {}, {}
	local function add(pattern)
		local members = redis.call('HGETALL', keys .. pattern)
		for i = 1, #members, 2 do
			local webhook = members[i]
			if not seen[webhook] then
				seen[webhook] = true
				list[#list + 1] = webhook
				if not hooks[webhook] then
					local version, state, fate, rest =
						string.match(members[i + 1], '^(%d+) (%a+) (%a+)(.*)')
					hooks[webhook] = { version = version, suspended = state ~= 'deliver',
						diverts = fate == 'divert', alerts = rest ~= '', load = 0 }
				end
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
local of_type = {}
local fanout = 0
for i = first, #ARGV, 6 do
	local list = of_type[ARGV[i]]
	if not list then
		list = subscribers(ARGV[i])
		of_type[ARGV[i]] = list
	end
	fanout = fanout + #list
	for _, webhook in ipairs(list) do
		hooks[webhook].load = hooks[webhook].load + 1
	end
end
if fanout > max_fanout then
	return { 'fanout', fanout }
end

local now = now_ms()
local score = { l = lease_score(now + lease_ms), w = int(now) }
local full = {}
for i = 1, nfull do
	full[ARGV[14 + i]] = true
end
for webhook, hook in pairs(hooks) do
	hook.members = {}
	if hook.suspended then
		hook.how, hook.room = 's', 0
	else
		hook.room = max_pending - redis.call('ZCARD', p .. 'q:' .. webhook)
		if not full[webhook] and budget >= hook.load then
			hook.how = 'l'
			budget = budget - hook.load
		else
			hook.how = 'w'
		end
	end
end

-- From here on it writes.
local events = p .. 'ev:' .. tenant
local n_events = (#ARGV - first + 1) / 6
local out = { 'ok', int(now + lease_ms) }
local locators = {}
local request, last_ms, last_ms_text

-- The fields of the i-th argument's event, none that is empty.
local function fields_at(i)
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
	return fields
end

-- What becomes of an event that is not queued for a webhook.
local function refuse(webhook, hook, locator, ms, fields)
	local trigger = hook.suspended and 'suspended' or 'overflow'
	local message = hook.suspended and 'the webhook is suspended' or 'the queue is full'
	local event = fields_of(fields)
	local diverted = false
	if hook.diverts then
		diverted = divert(webhook, locator, max_diverted, trigger, message, '0',
			copy_of(locator, ms, event))
	else
		count(webhook, 'dropped')
	end
	if hook.alerts and not hook.suspended then
		alert(webhook, event.suffix, { event = locator, request = event.requestId or locator,
			type = event.type, trigger = trigger, message = message, attempts = '0',
			diverted = diverted, suspended = false })
	end
end

for i = first, #ARGV, 6 do
	local fields = fields_at(i)
	local id = redis.call('XADD', events, '*', unpack(fields))
	local ms, seq = string.match(id, '(%d+)-(%d+)')
	if tonumber(seq) > 0xfffff then
		-- the sequence of this ms is used up: go on in the next one
		redis.call('XDEL', events, id)
		id = redis.call('XADD', events, int(ms + 1) .. '-0', unpack(fields))
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
	for _, webhook in ipairs(of_type[ARGV[i]]) do
		local hook = hooks[webhook]
		local how = hook.how
		if hook.room > 0 then
			hook.room = hook.room - 1
			hook.members[#hook.members + 1] = score[how]
			hook.members[#hook.members + 1] = locator
		else
			how = hook.suspended and 's' or 'o'
			refuse(webhook, hook, locator, ms, fields)
		end
		line[#line + 1] = webhook
		line[#line + 1] = hook.version
		line[#line + 1] = how
	end
	out[#out + 1] = table.concat(line, ' ')
end

local wakes = { 'LT' }
for webhook, hook in pairs(hooks) do
	local members = hook.members
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
