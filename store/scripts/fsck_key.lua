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

-- Goes through a sorted set by rank; check returns true when it removed the member. What was read
-- bounds the step too.
local read = 0
local READ_MAX = 4 * 1024 * 1024
local function each_member(check)
	local from = tonumber(cursor)
	local members = redis.call('ZRANGE', key, from, from + STEP - 1)
	for i, member in ipairs(members) do
		if not check(member) then
			from = from + 1
		end
		if read > READ_MAX or i == STEP then
			out[1] = int(from)
			return
		end
	end
end

-- Goes through a hash, in smaller steps, as its values may be large; check gets the field and its
-- value.
local function each_field(check, n)
	local page = redis.call('HSCAN', key, cursor, 'COUNT', n or STEP / 10)
	out[1] = page[1]
	for i = 1, #page[2], 2 do
		check(page[2][i], page[2][i + 1])
	end
end

-- Whether an event is in the stream, or kept for this webhook: 'lost' when it is neither, 'unnamed'
-- when it is kept, but nobody knows that this webhook needs it.
local function place_of(tenant, webhook, locator)
	local is_kept = redis.call('HEXISTS', p .. 'kp:' .. tenant, locator) == 1
	if is_kept and redis.call('SISMEMBER', p .. 'kr:' .. tenant .. ':' .. webhook, locator) == 1 then
		return 'kept'
	end
	local id = stream_id(locator)
	local entry = redis.call('XRANGE', p .. 'ev:' .. tenant, id, id)[1]
	read = read + #(entry and entry[2][4] or '')
	if entry and entry[2][6] == string.sub(locator, 15) then
		return 'stream'
	end
	return is_kept and 'unnamed' or 'lost'
end

-- Where a webhook's event is nowhere, remove mends that; true when it did.
local function check_place(tenant, webhook, locator, what, remove)
	local place = place_of(tenant, webhook, locator)
	if place == 'unnamed' then
		finding(what .. ' ' .. locator .. ', which is kept without a word of it', function()
			redis.call('SADD', p .. 'kr:' .. tenant .. ':' .. webhook, locator)
			redis.call('HINCRBY', p .. 'kn:' .. tenant, locator, 1)
		end)
	end
	return place == 'lost' and finding(what .. ' ' .. locator .. ', whose event is nowhere', remove)
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
		local _, copy = attempts_and_copy(redis.call('HGET', p .. 'rt:' .. name, locator))
		return not copy and check_place(tenant, webhook, locator, 'owes', function()
			redis.call('ZREM', key, locator)
			redis.call('HDEL', p .. 'rt:' .. name, locator)
			redis.call('ZREM', p .. 'rq:' .. name, locator)
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
			finding('counts attempts of ' .. locator .. ', which is not owed',
				function() redis.call('HDEL', key, locator) end)
		elseif not string.find(value, '^%d+$') and not string.find(value, '^%d+ {') then
			finding('holds nothing of ' .. locator .. ' that can be read',
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
	local tenant = (fields_of_webhook(name) or {}).tenant
	if not tenant then
		return -- the webhook itself is damaged
	end
	each_field(function(locator, value)
		local function remove()
			redis.call('HDEL', key, locator)
			redis.call('ZREM', p .. 'dvx:' .. name, locator)
			count(name, 'lost')
		end
		if not string.find(value, '^{"failureTrigger":') then
			finding('holds ' .. locator .. ', which cannot be read', function()
				keep_aside(locator, value)
				redis.call('ZREM', p .. 'dvx:' .. name, locator)
				let_go(tenant, name, { locator })
			end)
		elseif not string.find(value, ',"event":', 1, true) and
			check_place(tenant, name, locator, 'holds', remove) then
			return
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

-- What a webhook needs of the kept events: <tenant>:<webhook>.
function check.kr()
	local tenant, webhook = string.match(name, '^([^:]+):(.+)$')
	local fields = fields_of_webhook(webhook)
	if fields and fields.tenant ~= tenant then
		if redis.call('SISMEMBER', p .. 'gone:' .. tenant, webhook) == 0 then
			finding('belongs to no webhook', function() -- trimming lets go of it
				redis.call('SADD', p .. 'gone:' .. tenant, webhook)
				redis.call('ZADD', p .. 'tenants', int(now_ms()), tenant)
			end)
		end
		return
	end
	local page = redis.call('SSCAN', key, cursor, 'COUNT', STEP)
	out[1] = page[1]
	for _, locator in ipairs(page[2]) do
		if not redis.call('ZSCORE', p .. 'q:' .. webhook, locator) and
			not redis.call('ZSCORE', p .. 'dvx:' .. webhook, locator) and
			redis.call('HEXISTS', p .. 'dv:' .. webhook, locator) == 0 then
			finding('needs ' .. locator .. ', which is neither owed nor diverted',
				function() let_go(tenant, webhook, { locator }) end)
		end
	end
end

-- Deleted webhooks of a tenant.
function check.gone()
	for _, webhook in ipairs(redis.call('SRANDMEMBER', key, STEP)) do
		if redis.call('EXISTS', p .. 'wh:' .. webhook) == 1 then
			finding('calls ' .. webhook .. ' deleted, which is there',
				function() redis.call('SREM', key, webhook) end)
		end
	end
end

-- Which webhooks may need events of this tenant.
local owners
local function list_owners()
	owners = redis.call('ZRANGE', p .. 'whs:' .. name, 0, -1)
	for _, webhook in ipairs(redis.call('SMEMBERS', p .. 'gone:' .. name)) do
		if not redis.call('ZSCORE', p .. 'whs:' .. name, webhook) then
			owners[#owners + 1] = webhook
		end
	end
end

-- Compares how many webhooks need a kept event with the number that stands in kn.
local function check_number(locator)
	local n, number = 0, redis.call('HGET', p .. 'kn:' .. name, locator)
	for _, webhook in ipairs(owners) do
		n = n + redis.call('SISMEMBER', p .. 'kr:' .. name .. ':' .. webhook, locator)
	end
	local function mend()
		redis.call('HSET', p .. 'kn:' .. name, locator, int(n + 1))
		unkeep(name, { locator })
	end
	if n ~= tonumber(number) then
		finding('has ' .. (number or 'no') .. ' webhooks that need ' .. locator .. ': they are ' .. int(n), mend)
	end
end

-- All webhooks are asked for each event: so there are few of these in a step.
local PAIRS_MAX = 10000
function check.kn()
	list_owners()
	if redis.call('HLEN', key) > 1000 then
		each_field(check_number, 1)
		return
	end
	-- HSCAN gives all of a small hash at once
	local locators, from = redis.call('HKEYS', key), tonumber(cursor)
	local to = math.min(#locators, from + math.max(1, math.floor(PAIRS_MAX / (#owners + 1))))
	table.sort(locators)
	for i = from + 1, to do
		check_number(locators[i])
	end
	out[1] = to < #locators and int(to) or '0'
end

local check_bytes -- below

function check.kp()
	if string.find(cursor, ';', 1, true) then
		check_bytes()
		return
	end
	list_owners()
	each_field(function(locator)
		if redis.call('HEXISTS', p .. 'kn:' .. name, locator) == 0 then
			check_number(locator)
		end
	end)
	if out[1] == '0' and redis.call('EXISTS', p .. 'ev:' .. name) == 0 then
		cursor = '0'
		check_bytes()
	end
end

-- What a tenant's events take: first what is kept, then the stream; the last step compares, and while
-- events were published meanwhile, they are in both. After a difference it is all done once more, as
-- HSCAN may give a field twice. Where the stream was trimmed meanwhile there is nothing to say.
-- The cursor: "<difference seen before, or ->;<sum so far>;<first id>;<events kept>;<where>".
check_bytes = function()
	local kept, events = p .. 'kp:' .. name, p .. 'ev:' .. name
	local entry = redis.call('XRANGE', events, '-', '+', 'COUNT', 1)[1]
	local first, n = entry and entry[1] or '', redis.call('HLEN', kept)
	if cursor == '0' then
		cursor = '-;0;' .. first .. ';' .. int(n) .. ';k0'
	end
	local seen, sum, first0, n0, at = string.match(cursor, '^(.-);(.-);(.-);(.-);(.*)$')
	local function go_on(where)
		out[1] = table.concat({ seen, int(sum), first0, n0, where }, ';')
	end
	sum = tonumber(sum)
	if string.sub(at, 1, 1) == 'k' then
		local page = redis.call('HSCAN', kept, string.sub(at, 2), 'COUNT', STEP / 10)
		for i = 2, #page[2], 2 do
			sum = sum + #page[2][i] + EVENT_SELF
		end
		go_on(page[1] == '0' and '-' or 'k' .. page[1])
		return
	end
	for _ = 1, 50 do
		local entries = redis.call('XRANGE', events, at, '+', 'COUNT', 2)
		for _, e in ipairs(entries) do
			sum = sum + #(e[2][4] or '') + EVENT_SELF
			read = read + #(e[2][4] or '')
			at = '(' .. e[1]
		end
		if #entries < 2 then
			at = nil
			break
		end
		if read > READ_MAX / 4 then
			break
		end
	end
	if at then
		go_on(at)
		return
	end
	if first ~= first0 or n ~= tonumber(n0) then
		return
	end
	local difference = sum - (tonumber(redis.call('ZSCORE', p .. 'bytes', name) or 0))
	if difference == 0 then
		return
	end
	if seen ~= int(difference) then
		seen, sum = int(difference), 0
		go_on('k0')
	else
		finding('takes ' .. int(sum) .. ' bytes with what is kept of it, not ' .. int(sum - difference),
			function() count_bytes(name, difference) end)
	end
end
check.ev = check_bytes

function check.bytes()
	each_member(function(tenant)
		return redis.call('EXISTS', p .. 'ev:' .. tenant, p .. 'kp:' .. tenant) == 0 and
			finding('counts what ' .. tenant .. ' has, which has nothing',
				function() redis.call('ZREM', key, tenant) end)
	end)
end

check.at = check_owner
-- These have no owner but their tenant, and nothing that could contradict them.
for _, free in ipairs({ 'req', 'idem', 'due', 'tenants' }) do
	check[free] = function() end
end

local TYPES = { wh = 'hash', whs = 'zset', sub = 'hash', ev = 'stream', req = 'list',
	idem = 'string', q = 'zset', rt = 'hash', rq = 'zset', dv = 'hash', dvx = 'zset', due = 'zset',
	at = 'list', st = 'hash', tenants = 'zset', kp = 'hash', kn = 'hash', kr = 'set', gone = 'set',
	bytes = 'zset' }

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
