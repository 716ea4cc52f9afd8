#!lua flags=allow-oom
-- One step of trimming a tenant's stream: its oldest events beyond the limits, at most 100, and none
-- beyond some bytes. Those that a webhook still needs, as they are owed or diverted, are kept first.
-- Each webhook is asked for all of them at once; where that is too much for a step, the next one goes on
-- with the same events at the next webhook. It does no harm to begin anew.
-- ARGV: tenant, --event-retention ms, --events-kept, bytes that the tenant may have, and of the step
--       before (or '' and ''): the last event's stream id and the webhook to go on behind.
-- Returns {how many went, '1' when there may be more, stream id, webhook}.
local STEP = 100
local BYTES_MAX = 1024 * 1024
local CHUNK_MAX = 8 -- read at once: the next ones may be large
local LOOKS_MAX = 1000 -- webhooks
local PAIRS_MAX = 10000 -- of event and webhook
local tenant = ARGV[1]
local events, kept, numbers = p .. 'ev:' .. tenant, p .. 'kp:' .. tenant, p .. 'kn:' .. tenant
local last_id, after = ARGV[5], ARGV[6]

-- Webhooks that were deleted go first. Should the caller die, others go on in a minute.
local gone = redis.call('SRANDMEMBER', p .. 'gone:' .. tenant)
if gone then
	if not let_some_go(tenant, gone) then
		redis.call('SREM', p .. 'gone:' .. tenant, gone)
	end
	redis.call('ZADD', p .. 'tenants', 'LT', int(now_ms() + 60000), tenant)
	return { 0, '1', last_id, after }
end

local oldest_ms = now_ms() - tonumber(ARGV[2])
local beyond = redis.call('XLEN', events) - tonumber(ARGV[3])
local bytes_beyond = (tonumber(redis.call('ZSCORE', p .. 'bytes', tenant) or 0)) - tonumber(ARGV[4])
local expired, locators, bytes = {}, {}, 0

local function take(entry)
	local ms, seq = string.match(entry[1], '(%d+)-(%d+)')
	if last_id == '' and #expired >= beyond and tonumber(ms) >= oldest_ms and bytes >= bytes_beyond then
		return false
	end
	expired[#expired + 1] = entry
	locators[#locators + 1] = base32(tonumber(ms), 10) .. base32(tonumber(seq), 4) .. (entry[2][6] or '')
	bytes = bytes + #(entry[2][4] or '') + EVENT_SELF
	return true
end

-- Reads them, few at once where they are large; whether there may be more.
local function read()
	local from, chunk = '-', 1
	while #expired < STEP and bytes < BYTES_MAX do
		chunk = math.min(chunk, STEP - #expired)
		local entries = redis.call('XRANGE', events, from, last_id == '' and '+' or last_id, 'COUNT', chunk)
		for _, entry in ipairs(entries) do
			if not take(entry) then
				return false
			end
			from = '(' .. entry[1]
		end
		if #entries < chunk then
			return last_id ~= ''
		end
		chunk = math.max(1, math.min(2 * chunk, CHUNK_MAX, math.floor(BYTES_MAX / 2 * #expired / bytes)))
	end
	return true
end

-- Keeps what a webhook needs of them.
local function keep(webhook, at)
	local needs, n = { p .. 'kr:' .. tenant .. ':' .. webhook }, 0
	for i = 1, #at do
		needs[i + 1] = locators[at[i]]
	end
	local known = redis.call('SMISMEMBER', unpack(needs))
	for i = 1, #at do
		if known[i] == 0 then
			local entry = expired[at[i]]
			local text = not entry.kept and table.concat(entry[2], '\0')
			if text and redis.call('HSETNX', kept, locators[at[i]], text) == 1 then
				count_bytes(tenant, #text + EVENT_SELF)
			end
			entry.kept = true
			redis.call('HINCRBY', numbers, locators[at[i]], 1)
			n = n + 1
		end
	end
	if n > 0 then
		redis.call('SADD', unpack(needs))
	end
end

local more = read()
if not expired[1] then
	if redis.call('XLEN', events) == 0 then
		redis.call('ZREM', p .. 'tenants', tenant)
		if redis.call('EXISTS', kept) == 0 then
			redis.call('ZREM', p .. 'bytes', tenant)
		end
	end
	return { 0, last_id ~= '' and '1' or '', '', '' }
end
last_id = expired[#expired][1]

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
		keep(webhook, at)
		pairs_left = pairs_left - 2 * #at
	end
	if looked == LOOKS_MAX or (pairs_left <= 0 and looked < #webhooks) then
		return { 0, '1', last_id, webhook }
	end
end
local ms, seq = string.match(last_id, '(%d+)-(%d+)')
redis.call('XTRIM', events, 'MINID', ms .. '-' .. int(seq + 1))
count_bytes(tenant, -bytes)
return { #expired, more and '1' or '', '', '' }
