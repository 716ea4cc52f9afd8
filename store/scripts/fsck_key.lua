-- Checks one key against the invariants of doc/redis.md, at most 100 of its entries, and repairs them
-- if asked to.
-- ARGV: the key without its prefix, cursor ('0' to begin), '1' to repair.
-- Returns {cursor to go on with ('0' at the end), findings…}.
local kind, name = string.match(ARGV[1], '^(%a+):?(.*)$')
local cursor, repair = ARGV[2], ARGV[3] == '1'
local key = p .. ARGV[1]
local STEP = 100
local out = { '0' }

may_mend = repair
complain = function(what_key, what) -- also of other keys than this one
	out[#out + 1] = what_key .. ': ' .. what
end

-- Says what is wrong; mend, if there is a way, is done when repairs are asked for.
local function finding(text, mend, word)
	local mended = repair and mend ~= nil
	if mended then
		mend()
		text = text .. ' (' .. (word or 'repaired') .. ')'
	end
	out[#out + 1] = key .. ': ' .. text
	return mended
end

-- What cannot be read is kept beside, for people to look at.
local function keep_aside(field, value)
	redis.call('HSET', p .. 'damaged:' .. kind .. ':' .. name, field, value)
	redis.call('HDEL', key, field)
end

local function webhook_of(queue)
	return string.sub(queue, 1, 26)
end

-- Nil when the key is none of a webhook; then that is what is found there.
local function fields_of_webhook(webhook)
	local fields = redis.pcall('HGETALL', p .. 'wh:' .. webhook)
	return not fields.err and fields_of(fields) or nil
end

local function has_owner(webhook)
	return redis.call('EXISTS', p .. 'wh:' .. webhook) == 1
end

local function check_owner()
	if not has_owner(webhook_of(name)) then
		finding('belongs to no webhook', function() redis.call('UNLINK', key) end)
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
	return subscription(webhook.version, webhook.suspendedAt ~= '0', webhook.fate)
end

local function subscribes(webhook, pattern)
	for own in string.gmatch(webhook.subs or '', '%S+') do
		if own == pattern then
			return true
		end
	end
	return false
end

local check = {}

local NUMBERS = { 'version', 'enabled', 'suspendedAt', 'createdAt', 'updatedAt' }

function check.wh()
	local webhook = fields_of(redis.call('HGETALL', key))
	for _, field in ipairs({ 'tenant', 'version', 'enabled', 'suspendedAt', 'createdAt',
		'updatedAt', 'doc', 'secrets', 'subs', 'fate' }) do
		if not webhook[field] then
			finding('lacks ' .. field .. ', which nothing can bring back')
			return
		end
	end
	for _, field in ipairs(NUMBERS) do
		if not string.find(webhook[field], '^%d+$') then
			finding('has no number as ' .. field .. ', which nothing can bring back')
			return
		end
	end
	if not pcall(cjson.decode, webhook.doc) then
		finding('has a doc that cannot be read, which nothing can bring back')
	end
	local list = p .. 'whs:' .. webhook.tenant
	if not redis.call('ZSCORE', list, name) then
		finding('is not in its tenant\'s list', function() redis.call('ZADD', list, 0, name) end)
	end
	if webhook.enabled ~= '1' then
		return
	end
	local expected = expected_subscription(webhook)
	for _, pattern in ipairs(patterns_of(webhook.subs)) do
		local sub = p .. 'sub:' .. webhook.tenant .. ':' .. pattern
		if redis.call('HGET', sub, name) ~= expected then
			finding('is not as it should be in the subscriptions of ' .. pattern,
				function() redis.call('HSET', sub, name, expected) end)
		end
	end
end

function check.whs()
	each_member(function(member)
		local webhook = fields_of_webhook(member)
		return webhook and webhook.tenant ~= name and
			finding('lists ' .. member .. ', which is not a webhook of this tenant',
				function() redis.call('ZREM', key, member) end)
	end)
end

function check.sub()
	local tenant, pattern = string.match(name, '^([^:]+):(.+)$')
	each_field(function(member)
		local webhook = fields_of_webhook(member)
		if webhook and (webhook.tenant ~= tenant or webhook.enabled ~= '1'
			or not subscribes(webhook, pattern)) then
			finding('names ' .. member .. ', which does not subscribe to it',
				function() redis.call('HDEL', key, member) end)
		end
	end)
end

function check.q()
	local webhook = webhook_of(name)
	if not has_owner(webhook) then
		finding('belongs to no webhook', function()
			redis.call('UNLINK', key, p .. 'rt:' .. name, p .. 'rq:' .. name)
			redis.call('ZREM', p .. 'due', name)
		end)
		return
	end
	local earliest = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
	local due = redis.call('ZSCORE', p .. 'due', name)
	if cursor == '0' and earliest and (not due or tonumber(due) > tonumber(earliest)) then
		finding('is woken too late', function() wake(name, earliest) end)
	end
	local tenant = (fields_of_webhook(webhook) or {}).tenant
	if not tenant then
		return -- the webhook itself is damaged
	end
	each_member(function(locator)
		return not owed(name, tenant, locator) and
			finding('owes ' .. locator .. ', whose event is nowhere', function()
				redis.call('ZREM', key, locator)
				count(webhook, 'lost')
			end)
	end)
end

function check.rt()
	if not check_owner() then
		return
	end
	each_field(function(locator, value)
		if not redis.call('ZSCORE', p .. 'q:' .. name, locator) then
			finding('keeps a copy of ' .. locator .. ', which is not owed',
				function() redis.call('HDEL', key, locator) end)
		elseif not string.find(value, '^%d+ {') then
			finding('holds no copy of ' .. locator,
				function() keep_aside(locator, value) end)
		end
	end)
end

function check.rq()
	if not check_owner() then
		return
	end
	each_member(function(locator)
		return not redis.call('ZSCORE', p .. 'q:' .. name, locator) and
			finding('has a retry of ' .. locator .. ', which is not owed',
				function() redis.call('ZREM', key, locator) end)
	end)
end

function check.dv()
	if not check_owner() then
		return
	end
	each_field(function(locator, value)
		if not string.find(value, '^{"failureTrigger":') then
			finding('holds ' .. locator .. ', which cannot be read', function()
				keep_aside(locator, value)
				redis.call('ZREM', p .. 'dvx:' .. name, locator)
			end)
		elseif not redis.call('ZSCORE', p .. 'dvx:' .. name, locator) then
			finding('holds ' .. locator .. ', which is not in its order',
				function() redis.call('ZADD', p .. 'dvx:' .. name, 0, locator) end)
		end
	end)
end

function check.dvx()
	if not check_owner() then
		return
	end
	each_member(function(locator)
		return redis.call('HEXISTS', p .. 'dv:' .. name, locator) == 0 and
			finding('orders ' .. locator .. ', which is not diverted',
				function() redis.call('ZREM', key, locator) end)
	end)
end

function check.st()
	if not check_owner() then
		return
	end
	each_field(function(field, value)
		if not string.find(value, '^%-?%d+$') then
			finding('has no number as ' .. field,
				function() redis.call('HDEL', key, field) end)
		end
	end)
end

check.at = check_owner
-- These have no owner but their tenant, and nothing that could contradict them.
for _, free in ipairs({ 'ev', 'req', 'idem', 'due', 'tenants' }) do
	check[free] = function() end
end

local TYPES = { wh = 'hash', whs = 'zset', sub = 'hash', ev = 'stream', req = 'list',
	idem = 'string', q = 'zset', rt = 'hash', rq = 'zset', dv = 'hash', dvx = 'zset', due = 'zset',
	at = 'list', st = 'hash', tenants = 'zset' }

-- A tenant's list of webhooks, made anew beside the damaged one, a step of SCAN at a time: without
-- it, trimming would take away events that are owed.
local function mend_list()
	local new, place = p .. 'damaged:new:' .. name, p .. 'damaged:whs:' .. name
	local page = redis.call('SCAN', cursor, 'MATCH', p .. 'wh:*', 'COUNT', 1000)
	for _, found in ipairs(page[2]) do
		local state = redis.pcall('HGET', found, 'tenant')
		if state == name then
			redis.call('ZADD', new, 0, string.sub(found, #p + 4))
		end
	end
	out[1] = page[1]
	if page[1] == '0' then
		redis.call('RENAME', key, place)
		if redis.call('EXISTS', new) == 1 then
			redis.call('RENAME', new, key)
		end
	end
end

local function check_type(is, should_be)
	local text = 'is a ' .. is .. ', not a ' .. should_be
	if kind == 'whs' then
		if repair then
			mend_list()
		end
		if out[1] == '0' then
			out[#out + 1] = key .. ': ' .. text .. (repair and ' (repaired)' or '')
		end
	elseif kind == 'wh' then
		finding(text .. ', and nothing can bring it back', function()
			redis.call('RENAME', key, p .. 'damaged:' .. ARGV[1])
		end, 'set aside')
	elseif not set_aside(key) then -- which says so itself
		finding(text)
	end
end

local is = redis.call('TYPE', key).ok
if is == 'none' then
	return out -- gone meanwhile
end
if kind == 'damaged' then
	finding('was damaged and set aside; look at it, then delete it')
elseif not check[kind] then
	finding('is no key of evhookd\'s; it is left alone')
elseif is ~= TYPES[kind] then
	check_type(is, TYPES[kind])
else
	local checked, fault = pcall(check[kind])
	if not checked then
		finding('cannot be checked: ' .. (type(fault) == 'table' and fault.err or fault))
	end
end
return out
