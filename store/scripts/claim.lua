-- Leases due deliveries of one shard to the caller.
-- ARGV: lease ms, deliveries wanted, at most so many of one queue, position in the wake-up index,
--       queues looked at at most, n webhooks that have no room here, these.
-- Returns {now, lease end, position to go on from ('' at the end), time of the next queue
--       ('' for none), '1' when a queue that was not passed over still has due deliveries, then for
--       each webhook: {webhook, tenant, version, {locator, attempts, what}…}}, what being the
--       queue's own copy of the event or the fields of its stream entry.
-- Queues of webhooks that are gone are removed; what waits for an inactive one is dropped here.
local lease_ms, wanted, each = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local position, looks = tonumber(ARGV[4]), tonumber(ARGV[5])
local nfull = tonumber(ARGV[6])
local BYTES_MAX = 4 * 1024 * 1024
local now = now_ms()
local due = p .. 'due'
local out = { int(now), int(now + lease_ms), '', '', '' }
local full = {}
for i = 1, nfull do
	full[ARGV[6 + i]] = true
end
local bytes = 0

local function suffix_of(fields)
	for i = 1, #fields, 2 do
		if fields[i] == 'suffix' then
			return fields[i + 1]
		end
	end
end

-- The copy that the queue keeps, or the stream's entry; nil when the event is nowhere.
local function event_of(webhook, tenant, locator)
	local copy = redis.call('HGET', p .. 'rt:' .. webhook, locator)
	if copy then
		local space = string.find(copy, ' ', 1, true)
		bytes = bytes + #copy
		return { locator, string.sub(copy, 1, space - 1), string.sub(copy, space + 1) }
	end
	local id = stream_id(locator)
	local entry = redis.call('XRANGE', p .. 'ev:' .. tenant, id, id)[1]
	if not entry or suffix_of(entry[2]) ~= string.sub(locator, 15) then
		return nil
	end
	bytes = bytes + 100
	for i = 2, #entry[2], 2 do
		bytes = bytes + #entry[2][i]
	end
	return { locator, '0', entry[2] }
end

local function drop(webhook, queue)
	local members = redis.call('ZRANGE', queue, '-inf', now, 'BYSCORE', 'LIMIT', 0, 100)
	if members[1] then
		redis.call('ZREM', queue, unpack(members))
		redis.call('HDEL', p .. 'rt:' .. webhook, unpack(members))
		redis.call('HINCRBY', p .. 'st:' .. webhook, 'dropped', #members)
	end
end

local function claim(webhook, tenant, version, queue)
	local members = redis.call('ZRANGE', queue, '-inf', now, 'BYSCORE', 'LIMIT', 0,
		math.min(each, wanted))
	local leases, group = {}, { webhook, tenant, version }
	local score = lease_score(now + lease_ms)
	for _, locator in ipairs(members) do
		if bytes >= BYTES_MAX then
			break
		end
		local event = event_of(webhook, tenant, locator)
		if event then
			leases[#leases + 1] = score
			leases[#leases + 1] = locator
			group[#group + 1] = event
			wanted = wanted - 1
		else
			redis.call('ZREM', queue, locator)
			redis.call('HINCRBY', p .. 'st:' .. webhook, 'lost', 1)
			redis.log(redis.LOG_WARNING, 'evhook: no event for ' .. queue .. ' ' .. locator)
		end
	end
	if leases[1] then
		redis.call('ZADD', queue, unpack(leases))
		out[#out + 1] = group
	end
end

local queues = redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', position, looks)
local passed = 0
for i, webhook in ipairs(queues) do
	if wanted <= 0 or bytes >= BYTES_MAX then
		out[3] = int(position + passed)
		out[5] = '1'
		break
	end
	if full[webhook] then
		passed = passed + 1
	else
		local queue = p .. 'q:' .. webhook
		local state = redis.call('HMGET', p .. 'wh:' .. webhook, 'tenant', 'version', 'enabled',
			'suspendedAt')
		if not state[1] then
			redis.call('UNLINK', queue, p .. 'rt:' .. webhook)
		elseif state[3] ~= '1' or state[4] ~= '0' then
			drop(webhook, queue)
		else
			claim(webhook, state[1], state[2], queue)
		end
		local next_at = rewake(webhook)
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
	out[4] = int(math.ceil(later[2]))
end
return out
