#!lua flags=allow-oom
-- One step of trimming a tenant's stream: its oldest events beyond the limits, at most 100, and none
-- beyond some bytes. Those that a webhook still needs, as they are owed or diverted, are kept first.
-- Each webhook is asked for all of them at once; where that is too much for a step, the next one goes on
-- with the same events at the next webhook. It does no harm to begin anew.
-- ARGV: tenant, --event-retention ms, --events-kept, bytes that the tenant may have, and of the step
--       before (or '' and ''): the events, as '<locator> <bytes> …', and the webhook to go on behind.
-- Returns {how many went, '1' when there may be more, events, webhook}.
local STEP = 100
local BYTES_MAX = 1024 * 1024
local CHUNK = 2 -- read at once: the next ones may be large
local LOOKS_MAX = 250 -- webhooks
local PAIRS_MAX = 2000 -- of event and webhook
local tenant = ARGV[1]
local events, kept, numbers = p .. 'ev:' .. tenant, p .. 'kp:' .. tenant, p .. 'kn:' .. tenant
local after = ARGV[6]

-- Webhooks that were deleted go first. Should the caller die, others go on in a minute.
local gone = redis.call('SRANDMEMBER', p .. 'gone:' .. tenant)
if gone then
	if not let_some_go(tenant, gone) then
		redis.call('SREM', p .. 'gone:' .. tenant, gone)
	end
	redis.call('ZADD', p .. 'tenants', 'LT', int(now_ms() + 60000), tenant)
	return { 0, '1', ARGV[5], after }
end

local locators, sizes, texts = {}, {}, {}
local bytes = 0

-- The events of the step before.
for locator, size in string.gmatch(ARGV[5], '(%S+) (%d+)') do
	locators[#locators + 1], sizes[#sizes + 1] = locator, tonumber(size)
end

-- Reads the oldest ones beyond the limits; whether there may be more.
local function read()
	local oldest_ms = now_ms() - tonumber(ARGV[2])
	local beyond = redis.call('XLEN', events) - tonumber(ARGV[3])
	local bytes_beyond = (tonumber(redis.call('ZSCORE', p .. 'bytes', tenant) or 0)) - tonumber(ARGV[4])
	local from = '-'
	while #locators < STEP and bytes < BYTES_MAX do
		local entries = redis.call('XRANGE', events, from, '+', 'COUNT', CHUNK)
		for _, entry in ipairs(entries) do
			local ms, seq = string.match(entry[1], '(%d+)-(%d+)')
			if #locators >= beyond and tonumber(ms) >= oldest_ms and bytes >= bytes_beyond then
				return false
			end
			local i = #locators + 1
			locators[i] = base32(tonumber(ms), 10) .. base32(tonumber(seq), 4) .. (entry[2][6] or '')
			sizes[i], texts[i] = #(entry[2][4] or '') + EVENT_SELF, entry[2]
			bytes = bytes + sizes[i]
			from = '(' .. entry[1]
		end
		if #entries < CHUNK then
			return false
		end
	end
	return true
end

local more = true
if not locators[1] then
	more = read()
end
if not locators[1] then
	if redis.call('XLEN', events) == 0 and redis.call('EXISTS', kept) == 0 then
		redis.call('ZREM', p .. 'tenants', tenant)
		redis.call('ZREM', p .. 'bytes', tenant)
	end
	return { 0, '', '', '' }
end

need('SADD', 'HSET', 'HGET', 'HINCRBY', 'XTRIM', 'ZINCRBY')
local newly = {} -- how many webhooks were found that need an event, and did not name it before

-- Notes which of them, by their places, a webhook needs.
local function note(webhook, at)
	local needs = { p .. 'kr:' .. tenant .. ':' .. webhook }
	for i = 1, #at do
		needs[i + 1] = locators[at[i]]
	end
	local known = redis.call('SMISMEMBER', unpack(needs))
	redis.call('SADD', unpack(needs))
	for i = 1, #at do
		newly[at[i]] = (newly[at[i]] or 0) + 1 - known[i]
	end
end

-- Keeps what was noted.
local function keep()
	local added = 0
	for i, n in pairs(newly) do
		local locator = locators[i]
		if redis.call('HEXISTS', kept, locator) == 0 then
			local text = texts[i] and table.concat(texts[i], '\0') or event_text(tenant, locator)
			if text then
				redis.call('HSET', kept, locator, text)
				added = added + #text + EVENT_SELF
			end
		end
		if n > 0 then
			redis.call('HINCRBY', numbers, locator, n)
		end
	end
	return added
end

-- Goes through the webhooks; the one where the next step goes on, nil at the end.
local function ask()
	local pairs_left = PAIRS_MAX
	local webhooks = redis.call('ZRANGE', p .. 'whs:' .. tenant, after == '' and '-' or '(' .. after, '+',
		'BYLEX', 'LIMIT', 0, LOOKS_MAX)
	for looked, webhook in ipairs(webhooks) do
		local needed, at = {}, {}
		for _, key in ipairs({ p .. 'q:' .. webhook, p .. 'dvx:' .. webhook }) do
			if redis.call('EXISTS', key) == 1 then
				local scores = redis.call('ZMSCORE', key, unpack(locators))
				for i = 1, #locators do
					needed[i] = needed[i] or scores[i]
				end
				pairs_left = pairs_left - #locators
			end
		end
		for i = 1, #locators do
			if needed[i] then
				at[#at + 1] = i
			end
		end
		if at[1] then
			note(webhook, at)
			pairs_left = pairs_left - #at
		end
		if looked == LOOKS_MAX or (pairs_left <= 0 and looked < #webhooks) then
			return webhook
		end
	end
	return nil
end

local next_webhook = ask()
local added = keep()
if next_webhook then
	local words = {}
	for i = 1, #locators do
		words[i] = locators[i] .. ' ' .. int(sizes[i])
	end
	if added > 0 then
		count_bytes(tenant, added)
	end
	return { 0, '1', table.concat(words, ' '), next_webhook }
end
-- Another process may have trimmed some of these meanwhile, the first ones then.
local ms, seq = string.match(stream_id(locators[#locators]), '(%d+)-(%d+)')
local went = redis.call('XTRIM', events, 'MINID', ms .. '-' .. int(seq + 1))
for i = #locators, math.max(1, #locators - went + 1), -1 do
	added = added - sizes[i]
end
if added ~= 0 then
	count_bytes(tenant, added)
end
return { went, more and '1' or '', '', '' }
