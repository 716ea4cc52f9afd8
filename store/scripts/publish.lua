-- Stores the events of some requests of one tenant and every delivery that they cause: each request
-- as a whole or not at all.  How much it may look up and write is bounded: a request that goes
-- beyond that is refused, or left for the next time if it is not the first.
-- ARGV: tenant, lease ms, leases wanted at most, --max-fanout, --max-pending, --max-diverted,
--       --max-tenant-bytes, idempotency key's hash ('' for none; then there is one request), hash of
--       the body and ":<user>" whom the events without a userLocator are by, if anybody, its TTL ms,
--       TTL ms of request ids, '1' when the tenant is to be noted for trimming in any case, --max-webhooks,
--       leases of one webhook at most, --attempts-kept, n webhooks with another number, for each: it, its number; and
--       for each request: n events, and for each of them: type, data, locator suffix, n words,
--       these: names and values of its further fields, requestId first.
-- Returns {'ok' ('much' when the tenant's stream is to be trimmed), lease end, for each event
--       '<locator> [<webhook> <version> <how>]…', …}, how being l
--       (leased to the caller), w (waits, due now), o (its queue is full) or s (it is suspended), or
--       '<locator>' when it goes as the event before it does, or for each event of a request that
--       is not stored: '! fanout' (it would cause more than --max-fanout deliveries), '! work' (more
--       is to be looked up than a script may) or '?' (it is to be sent again, as the others are work
--       enough); {'replay', '[:<user>] <locator> …'}, {'conflict'} or {'full'}: the tenant's bytes
--       would be more than --max-tenant-bytes.
local call, ARGV = redis.call, ARGV
local find, sub, byte, concat = string.find, string.sub, string.byte, table.concat
local tenant, lease_ms, budget = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local max_fanout, max_pending, max_diverted = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local max_bytes = tonumber(ARGV[7])
local idem, body_hash = ARGV[8], sub(ARGV[9], 1, 64)
local max_webhooks, leases_each, nrooms = tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[16])
local attempts_kept = ARGV[15]
local first, last = 17 + 2 * nrooms, #ARGV
local LOOKUPS_MAX = 3072 -- of patterns
local LOADS_MAX = 20000 -- of their members
local GATHERED_MAX = 2000 -- deliveries, when there are several requests
local TYPE, DATA, SUFFIX, NWORDS, WORDS = 0, 1, 2, 3, 4 -- where they are, from the event's place on

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

-- What is known of each webhook (see subscribe() in lib.lua), and the members of each pattern, are
-- read once.
local hooks = {}
local by_locator = {}
local lookups, loads = LOOKUPS_MAX, LOADS_MAX -- left
local keys = p .. 'sub:' .. tenant .. ':'
local NONE = {}

-- The names and values of a pattern's members; nil when that is too much.  A value that says
-- nothing is made anew.
local function members_of(pattern)
	if lookups == 0 or loads < max_webhooks and call('HLEN', keys .. pattern) > loads then
		lookups = 0
		return nil
	end
	lookups = lookups - 1
	local members = call('HGETALL', keys .. pattern)
	loads = loads - #members / 2
	for j = 2, #members, 2 do
		if not find(members[j], '^%d+ %a') then
			complain(keys .. pattern, 'held nothing of use for ' .. members[j - 1])
			call('HDEL', keys .. pattern, members[j - 1])
			members[j] = subscribe_again(tenant, pattern, members[j - 1]) or ''
		end
	end
	return members
end

local function hook_of(locator, value)
	local hook = by_locator[locator]
	if not hook then
		local space = find(value, ' ', 1, true)
		hook = { webhook = locator, load = 0, value = value, members = {}, n = 0,
			text = locator .. ' ' .. sub(value, 1, space - 1),
			suspended = byte(value, space + 1) == 115 }
		by_locator[locator] = hook
		hooks[#hooks + 1] = hook
	end
	return hook
end

-- The subscribed webhooks of a type, each once however many of its patterns match; nil when that is
-- too much to look up.  The patterns of a type are walked from the widest to itself, and of each are
-- kept the webhooks that no wider one has: what is above a pattern is the same for all types.
local added = {}
local function subscribers(event_type)
	local list = { events = 0 }
	local function add(pattern)
		local own = added[pattern]
		if own then
			for j = 1, #own do
				own[j].seen = event_type
				list[#list + 1] = own[j]
			end
			return true
		end
		local members = members_of(pattern)
		if not members then
			return false
		end
		own = members[1] and {} or NONE
		for j = 1, #members, 2 do
			local hook = members[j + 1] ~= '' and hook_of(members[j], members[j + 1])
			if hook and hook.seen ~= event_type then
				hook.seen = event_type
				own[#own + 1] = hook
				list[#list + 1] = hook
			end
		end
		added[pattern] = own
		return true
	end
	local whole = add('*')
	local dot = find(event_type, '.', 1, true)
	while whole and dot do
		whole = add(sub(event_type, 1, dot) .. '*')
		dot = find(event_type, '.', dot + 1, true)
	end
	return whole and add(event_type) and list or nil
end

-- First everything is read and checked.
local of_type, lists = {}, {}
local refused = {} -- why a request is not stored, by the place where it begins
local deliveries = 0 -- of those that are
local bytes = 0 -- likewise

-- Whether a request is stored: nil, or why not.  Its n events begin at i.
local function judge(i, n, is_first)
	if not is_first and deliveries >= GATHERED_MAX then
		return '?'
	end
	local fanout = 0
	for _ = 1, n do
		local event_type = ARGV[i + TYPE]
		local list = of_type[event_type]
		if not list then
			list = subscribers(event_type)
			if not list then
				return is_first and '! work' or '?'
			end
			of_type[event_type] = list
			lists[#lists + 1] = list
		end
		fanout = fanout + #list
		if fanout > max_fanout then
			return '! fanout'
		end
		i = i + WORDS + ARGV[i + NWORDS]
	end
	if not is_first and deliveries + fanout > GATHERED_MAX then
		return '?'
	end
	deliveries = deliveries + fanout
	return nil
end

local i = first
while i <= last do
	local request, n = i, tonumber(ARGV[i])
	i = i + 1
	refused[request] = judge(i, n, request == first)
	for _ = 1, n do
		if not refused[request] then
			local list = of_type[ARGV[i + TYPE]]
			list.events = list.events + 1
			bytes = bytes + #ARGV[i + DATA] + EVENT_SELF
		end
		i = i + WORDS + ARGV[i + NWORDS]
	end
end
for i = 1, #lists do
	local list = lists[i]
	for j = 1, #list do
		list[j].load = list[j].load + list.events
	end
end

local now = now_ms()
local leased, waiting = lease_score(now + lease_ms), wait_score(now)
local leases = {}
for i = 17, 16 + 2 * nrooms, 2 do
	leases[ARGV[i]] = tonumber(ARGV[i + 1])
end
for i = 1, #hooks do
	local hook = hooks[i]
	if hook.suspended or hook.load == 0 then
		hook.room = 0
	else
		hook.room = max_pending - call('ZCARD', p .. 'q:' .. hook.webhook)
		hook.leases = math.min(leases[hook.webhook] or leases_each, hook.load, budget)
		budget = budget - hook.leases
		if hook.leases > 0 then
			hook.how, hook.score = ' l', leased
		else
			hook.how, hook.score = ' w', waiting
		end
	end
end

local events = p .. 'ev:' .. tenant
local locators = {}

local function own_request(i)
	return ARGV[i + NWORDS] ~= '0' and ARGV[i + WORDS] == 'requestId' and ARGV[i + WORDS + 1]
end

-- Adds an event, which stands at i, to the stream.  request: what its requestId is if it has none of
-- its own.
local function add(id, i, request)
	local from, to = i + WORDS, i + WORDS - 1 + ARGV[i + NWORDS]
	if request and not own_request(i) then
		return call('XADD', events, id, 'type', ARGV[i + TYPE], 'data', ARGV[i + DATA],
			'suffix', ARGV[i + SUFFIX], 'requestId', request, unpack(ARGV, from, to))
	end
	return call('XADD', events, id, 'type', ARGV[i + TYPE], 'data', ARGV[i + DATA],
		'suffix', ARGV[i + SUFFIX], unpack(ARGV, from, to))
end

local ALERTS_MAX = 20 -- each reads a webhook: the others come with the next event
local alerts = 0

local function alert_of(hook, locator, i, request, diverted)
	if alerts >= ALERTS_MAX then
		return
	end
	local suffix = ARGV[i + SUFFIX]
	if alert(hook.webhook, suffix, { event = locator, type = ARGV[i + TYPE], attempts = '0',
		request = own_request(i) or request or locator, trigger = 'overflow',
		message = 'the queue is full', diverted = diverted, suspended = false }) then
		alerts = alerts + 1
	end
end

local REFUSALS = { suspended = 'the webhook is suspended', overflow = 'the queue is full' }
local refusals = {}

-- The record of an event that is diverted untried: the same for all webhooks of this script.
local function refusal_of(trigger)
	refusals[trigger] = refusals[trigger] or diverted_record(trigger, REFUSALS[trigger], now, '0')
	return refusals[trigger]
end

local DROPS_MAX = 1000 -- that leave a record, of those that one script drops
local drops = 0

-- An event that a webhook will never get leaves a record among its attempts, which says why.
local function note_drop(hook, locator, i)
	if drops < DROPS_MAX then
		drops = drops + 1
		hook.drops[#hook.drops + 1] = record_head(int(now), 'dropped', '0') .. locator .. ' '
			.. ARGV[i + TYPE] .. (hook.suspended and ' 0 0 0 suspended\n' .. REFUSALS.suspended
				or ' 0 0 0 overflow\n' .. REFUSALS.overflow) .. '\n'
	end
end

-- What becomes of an event that is not queued for a webhook. The stream has it, so that nothing but
-- the reason is written for each webhook.
local function refuse(hook, locator, i, request)
	if not hook.record then
		hook.record = refusal_of(hook.suspended and 'suspended' or 'overflow')
		hook.diverted, hook.dropped, hook.drops = {}, 0, {}
		hook.spare = find(hook.value, ' divert', 1, true)
			and diverted_room(hook.webhook, max_diverted) or 0
	end
	local divertible = hook.spare > 0
	if divertible then
		hook.spare = hook.spare - 1
		hook.diverted[#hook.diverted + 1] = locator
		hook.diverted[#hook.diverted + 1] = hook.record
	else
		hook.dropped = hook.dropped + 1
		note_drop(hook, locator, i)
	end
	if not hook.suspended and find(hook.value, ' alert', 1, true) then
		alert_of(hook, locator, i, request, divertible)
	end
	return hook.suspended and ' s' or ' o'
end

local last_ms, last_ms_text, last_seq

-- Adds the event to the stream; returns its locator.
local function append(i, request)
	local id = add('*', i, request)
	local dash = find(id, '-', 1, true)
	local ms, seq = sub(id, 1, dash - 1), nil
	if ms == last_ms then
		seq = last_seq + 1
	else
		seq = tonumber(sub(id, dash + 1))
	end
	if seq > 0xfffff then
		-- the sequence of this ms is used up: go on in the next one
		call('XDEL', events, id)
		ms, seq = int(ms + 1), 0
		id = add(ms .. '-0', i, request)
	end
	if ms ~= last_ms then
		last_ms, last_ms_text = ms, base32(tonumber(ms), 10)
	end
	last_seq = seq
	local own = own_request(i)
	if own then
		local list = p .. 'req:' .. tenant .. ':' .. own
		if call('LLEN', list) < 1000 then
			plain_call('RPUSH', list, id)
		end
		call('PEXPIRE', list, ARGV[11])
	end
	return last_ms_text .. base32(seq, 4) .. ARGV[i + SUFFIX]
end

local function queue(hook, locator)
	local members, n = hook.members, hook.n
	members[n + 1], members[n + 2] = hook.score, locator
	hook.n = n + 2
end

-- What becomes of each event of such a list, in words; nil when some queue is full or suspended, or
-- only some of them are leased.
local function fate_of(list)
	local words = {}
	for j = 1, #list do
		local hook = list[j]
		if hook.room < hook.load or hook.leases > 0 and hook.leases < hook.load then
			return nil
		end
		words[j] = hook.text .. hook.how
	end
	return concat(words, ' ')
end

-- The same of one event, when it has to be looked at one by one.
local function deliver(list, locator, i, request)
	local words = {}
	for j = 1, #list do
		local hook = list[j]
		local how = hook.how
		if hook.room > 0 then
			hook.room = hook.room - 1
			queue(hook, locator)
			hook.leases = hook.leases - 1
			if hook.leases == 0 then
				hook.how, hook.score = ' w', waiting
			end
		else
			how = refuse(hook, locator, i, request)
		end
		words[j] = hook.text .. how
	end
	return concat(words, ' ')
end

need('XADD', 'XDEL', 'ZADD', 'ZINCRBY', 'LLEN', 'RPUSH', 'PEXPIRE')
if idem ~= '' then
	need('SET')
end
for i = 1, #lists do
	lists[i].fate = lists[i].events > 0 and fate_of(lists[i])
	if lists[i].events > 0 and not lists[i].fate then
		need('HSET', 'HINCRBY', 'HLEN', 'HMGET', 'HGET', 'LTRIM')
	end
end
-- From here on it writes.
local total = bytes > 0 and count_bytes(tenant, bytes) or 0
if total > max_bytes then
	count_bytes(tenant, -bytes)
	return { 'full' }
end
local out = { total > max_bytes / 8 * 7 and 'much' or 'ok', leased }
local same -- the list whose fate was told last
i = first
while i <= last do
	local at, request = i, nil
	i = i + 1
	for _ = 1, ARGV[at] do
		if refused[at] then
			out[#out + 1] = refused[at]
		else
			local locator = append(i, request)
			local list = of_type[ARGV[i + TYPE]]
			if not list.fate then
				out[#out + 1] = locator .. ' ' .. deliver(list, locator, i, request)
				same = nil
			else
				for j = 1, #list do
					queue(list[j], locator)
				end
				out[#out + 1] = list == same and locator or locator .. ' ' .. list.fate
				same = list
			end
			request = request or locator
			locators[#locators + 1] = locator
		end
		i = i + WORDS + ARGV[i + NWORDS]
	end
end

local wakes = { 'LT' }
for i = 1, #hooks do
	local hook = hooks[i]
	if hook.members[1] then
		plain_call('ZADD', p .. 'q:' .. hook.webhook, unpack(hook.members))
		wakes[#wakes + 1] = hook.members[hook.n - 1] -- those that wait stand behind the leased
		wakes[#wakes + 1] = hook.webhook
		if #wakes > 2000 then
			call('ZADD', p .. 'due', unpack(wakes))
			wakes = { 'LT' }
		end
	end
	if hook.record then
		divert(hook.webhook, hook.diverted)
		if hook.dropped > 0 then
			count(hook.webhook, 'dropped', hook.dropped)
		end
		if hook.drops[1] then
			attempted(hook.webhook, attempts_kept, hook.drops)
		end
	end
end
if wakes[2] then
	call('ZADD', p .. 'due', unpack(wakes))
end
if idem ~= '' and locators[1] then
	call('SET', idem_key, ARGV[9] .. ' ' .. concat(locators, ' '), 'PX', ARGV[10])
end
if ARGV[12] == '1' or total == bytes and bytes > 0 then -- it had nothing, so it may be noted no more
	call('ZADD', p .. 'tenants', 'NX', waiting, tenant)
end
return out
