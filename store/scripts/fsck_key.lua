-- Checks one key against the invariants of doc/redis.md, at most 100 of its entries, and repairs them
-- if asked to.
-- ARGV: the key without its prefix, cursor ('0' to begin), '1' to repair.
-- Returns {cursor to go on with ('0' at the end), findings…}.
local kind, name = string.match(ARGV[1], '^(%a+):?(.*)$')
local cursor, repair = ARGV[2], ARGV[3] == '1'
local key = p .. ARGV[1]
local STEP = 100
local out = { '0' }

local function finding(text)
	out[#out + 1] = key .. ': ' .. text .. (repair and ' (repaired)' or '')
	return repair
end

local function webhook_of(queue)
	return string.sub(queue, 1, 26)
end

local function has_owner(webhook)
	return redis.call('EXISTS', p .. 'wh:' .. webhook) == 1
end

local function check_owner()
	if not has_owner(webhook_of(name)) then
		if finding('belongs to no webhook') then
			redis.call('UNLINK', key)
		end
		return false
	end
	return true
end

-- Goes through a sorted set by rank; check returns true when it removed the member.
local function each_member(check)
	local from = tonumber(cursor)
	local members = redis.call('ZRANGE', key, from, from + STEP - 1)
	local removed = 0
	for _, member in ipairs(members) do
		if check(member) then
			removed = removed + 1
		end
	end
	if #members == STEP then
		out[1] = int(from + STEP - removed)
	end
end

-- Goes through a hash, in smaller steps, as its values may be large; check gets the field and its
-- value.
local function each_field(check)
	local page = redis.call('HSCAN', key, cursor, 'COUNT', STEP / 10)
	out[1] = page[1]
	for i = 1, #page[2], 2 do
		check(page[2][i], page[2][i + 1])
	end
end

local function expected_subscription(webhook)
	return webhook.version .. (webhook.suspendedAt ~= '0' and ' suspended ' or ' deliver ')
		.. webhook.fate
end

local function subscribes(webhook, pattern)
	for own in string.gmatch(webhook.subs, '%S+') do
		if own == pattern then
			return true
		end
	end
	return false
end

local check = {}

function check.wh()
	local webhook = fields_of(redis.call('HGETALL', key))
	for _, field in ipairs({ 'tenant', 'version', 'enabled', 'suspendedAt', 'createdAt',
		'updatedAt', 'doc', 'secrets', 'subs', 'fate' }) do
		if not webhook[field] then
			finding('lacks ' .. field .. ', which nothing can bring back')
			return
		end
	end
	if not redis.call('ZSCORE', p .. 'whs:' .. webhook.tenant, name) and
		finding('is not in its tenant\'s list') then
		redis.call('ZADD', p .. 'whs:' .. webhook.tenant, 0, name)
	end
	if webhook.enabled ~= '1' then
		return
	end
	for _, pattern in ipairs(patterns_of(webhook.subs)) do
		local sub = p .. 'sub:' .. webhook.tenant .. ':' .. pattern
		if redis.call('HGET', sub, name) ~= expected_subscription(webhook) and
			finding('is not as it should be in the subscriptions of ' .. pattern) then
			redis.call('HSET', sub, name, expected_subscription(webhook))
		end
	end
end

function check.whs()
	each_member(function(member)
		if redis.call('HGET', p .. 'wh:' .. member, 'tenant') ~= name and
			finding('lists ' .. member .. ', which is not a webhook of this tenant') then
			redis.call('ZREM', key, member)
			return true
		end
	end)
end

function check.sub()
	local tenant, pattern = string.match(name, '^([^:]+):(.+)$')
	each_field(function(member)
		local webhook = fields_of(redis.call('HGETALL', p .. 'wh:' .. member))
		if (webhook.tenant ~= tenant or webhook.enabled ~= '1' or not subscribes(webhook, pattern))
			and finding('names ' .. member .. ', which does not subscribe to it') then
			redis.call('HDEL', key, member)
		end
	end)
end

function check.q()
	local webhook = webhook_of(name)
	if not has_owner(webhook) then
		if finding('belongs to no webhook') then
			redis.call('UNLINK', key, p .. 'rt:' .. name, p .. 'rq:' .. name)
			redis.call('ZREM', p .. 'due', name)
		end
		return
	end
	local earliest = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
	local due = redis.call('ZSCORE', p .. 'due', name)
	if cursor == '0' and earliest and (not due or tonumber(due) > tonumber(earliest)) and
		finding('is woken too late') then
		wake(name, earliest)
	end
	local tenant = redis.call('HGET', p .. 'wh:' .. webhook, 'tenant')
	each_member(function(locator)
		if not owed(name, tenant, locator) and
			finding('owes ' .. locator .. ', whose event is nowhere') then
			redis.call('ZREM', key, locator)
			count(webhook, 'lost')
			return true
		end
	end)
end

function check.rt()
	if not check_owner() then
		return
	end
	each_field(function(locator)
		if not redis.call('ZSCORE', p .. 'q:' .. name, locator) and
			finding('keeps a copy of ' .. locator .. ', which is not owed') then
			redis.call('HDEL', key, locator)
		end
	end)
end

function check.rq()
	if not check_owner() then
		return
	end
	each_member(function(locator)
		local score = redis.call('ZSCORE', p .. 'q:' .. name, locator)
		if not score and finding('has a retry of ' .. locator .. ', which is not owed') then
			redis.call('ZREM', key, locator)
			return true
		end
	end)
end

function check.dv()
	if not check_owner() then
		return
	end
	each_field(function(locator)
		if not redis.call('ZSCORE', p .. 'dvx:' .. name, locator) and
			finding('holds ' .. locator .. ', which is not in its order') then
			redis.call('ZADD', p .. 'dvx:' .. name, 0, locator)
		end
	end)
end

function check.dvx()
	if not check_owner() then
		return
	end
	each_member(function(locator)
		if redis.call('HEXISTS', p .. 'dv:' .. name, locator) == 0 and
			finding('orders ' .. locator .. ', which is not diverted') then
			redis.call('ZREM', key, locator)
			return true
		end
	end)
end

check.at = check_owner
check.st = check_owner
-- These have no owner but their tenant, and nothing that could contradict them.
for _, free in ipairs({ 'ev', 'req', 'idem', 'due', 'tenants' }) do
	check[free] = function() end
end

if check[kind] then
	check[kind]()
else
	finding('is no key of evhookd\'s; it is left alone')
end
return out
