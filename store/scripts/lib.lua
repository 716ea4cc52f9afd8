-- What all scripts share: it stands before each of them.
-- Redis refuses a script for want of memory at its first write or not at all, so nothing is ever half
-- done; those that end, take or give back what is stored already carry allow-oom, for it is they
-- that make room again.
-- KEYS[1] is the slot's prefix, "evhook:{N}:"; all keys are made from it (doc/redis.md).
local p = KEYS[1]
local CHANGES = 'evhook:changes'

-- Whoever listens is told, and logs it; the last resort is Redis' own log.
local complain = function(key, what)
	redis.log(redis.LOG_WARNING, 'evhook: ' .. key .. ' ' .. what)
	redis.pcall('PUBLISH', CHANGES, 'damaged ' .. key .. ' ' .. what)
end

-- Keys that are not as they should be are somebody's doing.  One of the wrong type is set aside, and
-- the script goes on as if it was not there; so it harms nobody but its own webhook or tenant, and
-- no script ends half done because of it.  Webhooks themselves, and the lists of them, are left to
-- people: without these events would be lost.
local KEPT = { wh = true, whs = true, damaged = true }
local may_mend = true
local bring_back -- see below
-- In a wake-up index that was made anew, until all queues are in it; in case that nobody heard of it.
local UNFINISHED, UNFINISHED_S = '*', 60
local function set_aside(key)
	local slot, kind, rest = string.match(key, '^(evhook:{%d+}:)(%a+)(.*)$')
	if not slot or KEPT[kind] or not may_mend then
		return false
	end
	local place = slot .. 'damaged:' .. kind .. rest
	if redis.call('EXISTS', place) == 1 then
		local t = redis.call('TIME')
		place = place .. ':' .. t[1] .. t[2]
	end
	redis.call('RENAME', key, place)
	complain(key, 'was of the wrong type and is set aside as ' .. place)
	if kind == 'due' then
		local t = redis.call('TIME')
		redis.call('ZADD', key, (t[1] + UNFINISHED_S) .. '000', UNFINISHED)
	elseif kind == 'sub' then
		bring_back(string.match(rest, '^:([^:]+):(.+)$'))
	end
	return true
end

-- After an error: mends what it can and calls again.
local function mended(answer, command, key, ...)
	local is_mended = false
	if string.find(answer.err, '^WRONGTYPE') then
		is_mended = set_aside(key)
	elseif may_mend and command == 'HINCRBY' and (string.find(answer.err, '^ERR hash value')
		or string.find(answer.err, '^ERR increment')) then -- of what is no number, or too large a one
		redis.call('HDEL', key, (...))
		complain(key, 'held no number as ' .. (...))
		is_mended = true
	end
	if not is_mended then
		return error(answer)
	end
	return redis.call(command, key, ...)
end

local plain_call, plain_pcall, type = redis.call, redis.pcall, type
local function guarded_call(command, key, ...)
	local answer = plain_pcall(command, key, ...)
	if type(answer) ~= 'table' or not answer.err then
		return answer
	end
	return mended(answer, command, key, ...)
end
-- What follows, and the scripts, call Redis through it.
local redis = { call = guarded_call, pcall = plain_pcall, log = redis.log,
	LOG_WARNING = redis.LOG_WARNING, acl_check_cmd = redis.acl_check_cmd }

local function now_ms()
	local t = plain_call('TIME')
	return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Numbers in full: Lua would print large ones as 1.7e+12.
local function int(n)
	return string.format('%d', n)
end

-- Scores of a queue: an even number of ms is a wait, an odd one the end of a lease.  They are whole
-- because Redis prints and parses fractions slowly, and does it for each entry that it passes.
local function wait_score(ms)
	return int(ms - ms % 2)
end

local function lease_score(ms)
	return int(ms + 1 - ms % 2)
end

-- A queue's place in the wake-up index: may be early, never late.
local function wake(queue, at)
	redis.call('ZADD', p .. 'due', 'LT', at, queue)
end

-- Sets it to the truth, once the queue was looked at.
local function rewake(queue)
	local first = redis.call('ZRANGE', p .. 'q:' .. queue, 0, 0, 'WITHSCORES')
	if first[1] then
		redis.call('ZADD', p .. 'due', first[2], queue)
		return tonumber(first[2])
	end
	redis.call('ZREM', p .. 'due', queue)
	return nil
end

local BASE32 = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

local function base32(n, width)
	local text = ''
	while n > 0 do
		local digit = n % 32
		text = string.sub(BASE32, digit + 1, digit + 1) .. text
		n = (n - digit) / 32
	end
	return string.rep('0', width - #text) .. text
end

-- tonumber() knows base 32 too, but goes on with the letters that are left out here.
local left_out
local function from_base32(text)
	left_out = left_out or { J = 'I', K = 'J', M = 'K', N = 'L', P = 'M', Q = 'N', R = 'O', S = 'P',
		T = 'Q', V = 'R', W = 'S', X = 'T', Y = 'U', Z = 'V' }
	return tonumber((string.gsub(text, '[J-Z]', left_out)), 32)
end

local id_head, id_ms -- of the id that was asked for last: the next one often is of the same ms

-- A stream id from the first 14 characters of a locator: 48 bits of ms, 20 of sequence.  What is no
-- locator gives one that no event has.
local function stream_id(locator)
	local head, seq = string.sub(locator, 1, 10), from_base32(string.sub(locator, 11, 14))
	if head ~= id_head then
		local ms = from_base32(head)
		if #locator ~= 26 or not ms then
			return '0-1'
		end
		id_head, id_ms = head, int(ms) .. '-'
	end
	return seq and id_ms .. int(seq) or '0-1'
end

-- A record of an attempt begins with this; behind it stands what the caller says (store/attempts.c).
-- next_at: when the next one is due, '0' for none.
local function record_head(now, outcome, next_at)
	return now .. ' ' .. outcome .. ' ' .. next_at .. ' '
end

local function attempted(webhook, kept, records)
	local attempts = p .. 'at:' .. webhook
	if redis.call('RPUSH', attempts, unpack(records)) > tonumber(kept) then
		redis.call('LTRIM', attempts, '-' .. kept, '-1')
	end
end

local function count(webhook, what, n)
	redis.call('HINCRBY', p .. 'st:' .. webhook, what, n or 1)
end

-- The names and values of a stream entry or a hash as a table.
local function fields_of(flat)
	local fields = {}
	for i = 1, #flat, 2 do
		fields[flat[i]] = flat[i + 1]
	end
	return fields
end

-- A queue's own copy of an event, in the form of proto/event_copy.h.  All but data and the trace
-- state are of characters that need no escapes, and data is JSON already.
local function copy_of(locator, ms, fields)
	local text = { '{"locator":"', locator, '","type":"', fields.type, '","data":', fields.data,
		',"requestId":"', fields.requestId or locator, '"' }
	if fields.userLocator then
		text[#text + 1] = ',"userLocator":"' .. fields.userLocator .. '"'
	end
	for _, name in ipairs({ 'traceparent', 'tracestate' }) do
		if fields[name] then
			text[#text + 1] = ',"' .. name .. '":' .. cjson.encode(fields[name])
		end
	end
	text[#text + 1] = ',"timestamp":' .. (fields.timestamp or ms) .. '}'
	return table.concat(text)
end

-- --- The bytes of events ---
-- They stand once per tenant: in the stream, and from when it is trimmed on in kp:<tenant> for as long
-- as somebody needs them. kr:<tenant>:<webhook> names those that a webhook needs (owed or diverted),
-- kn:<tenant> has how many webhooks need each. "bytes" has what all of it takes, tenant by tenant.

local EVENT_SELF = 256 -- counted for an event beside its data

local function count_bytes(tenant, n)
	return tonumber(redis.call('ZINCRBY', p .. 'bytes', int(n), tenant))
end

-- An event as claims and lists pass it on: the names and values of its stream entry with NULs between
-- them, in one piece, as what is nested costs more than all the rest. nil when it is nowhere.
local function event_text(tenant, locator)
	local id = stream_id(locator)
	local entry = redis.call('XRANGE', p .. 'ev:' .. tenant, id, id)[1]
	if entry and entry[2][6] == string.sub(locator, 15) then -- its suffix
		return table.concat(entry[2], '\0')
	end
	return redis.call('HGET', p .. 'kp:' .. tenant, locator) or nil
end

-- One webhook less needs each of these. Who takes the last need away removes the copy. Returns the
-- bytes that went.
local function unkeep(tenant, locators)
	local kept, numbers, freed = p .. 'kp:' .. tenant, p .. 'kn:' .. tenant, 0
	for _, locator in ipairs(locators) do
		local left = redis.call('HINCRBY', numbers, locator, -1)
		if left < 0 then -- somebody's hand: fsck knows
			redis.call('HDEL', numbers, locator)
			complain(numbers, 'did not have ' .. locator)
		elseif left == 0 then
			freed = freed + redis.call('HSTRLEN', kept, locator) + EVENT_SELF
			redis.call('HDEL', numbers, locator)
			redis.call('HDEL', kept, locator)
		end
	end
	if freed > 0 then
		count_bytes(tenant, -freed)
	end
	return freed
end

-- A webhook does not need these events any more.
local function let_go(tenant, webhook, locators)
	local needs = p .. 'kr:' .. tenant .. ':' .. webhook
	if redis.call('EXISTS', needs) == 0 then
		return
	end
	local gone = {}
	for _, locator in ipairs(locators) do
		if redis.call('SREM', needs, locator) == 1 then
			gone[#gone + 1] = locator
		end
	end
	unkeep(tenant, gone)
end

-- A webhook that was deleted needs nothing: one step of that, of some hundred events and some MiB.
-- Returns whether there is more.
local function let_some_go(tenant, webhook)
	local needs, freed = p .. 'kr:' .. tenant .. ':' .. webhook, 0
	for _ = 1, 10 do
		if freed >= 8 * 1024 * 1024 then
			break
		end
		local locators = redis.call('SPOP', needs, 10)
		if not locators[1] then
			return false
		end
		freed = freed + unkeep(tenant, locators)
	end
	return redis.call('EXISTS', needs) == 1
end

-- What rt has of an event: the number of attempts, and a copy of the queue's own, which alert notices
-- have, and what evhookd stored before schema 2; nil when there is none.
local function attempts_and_copy(value)
	if value and string.find(value, '^%d+$') then
		return value, nil
	elseif not value or not string.find(value, '^%d+ {') then
		return '0', nil
	end
	local space = string.find(value, ' ', 1, true)
	return string.sub(value, 1, space - 1), string.sub(value, space + 1)
end

-- A diverted event: why. The event itself stands where all of them do, but for a copy of the queue's own.
local function diverted_record(trigger, message, now, attempts, copy)
	return '{"failureTrigger":' .. cjson.encode(trigger) .. ',"failureMessage":'
		.. cjson.encode(message) .. ',"failureTimestamp":' .. int(now) .. ',"attempts":' .. attempts
		.. (copy and ',"event":' .. copy or '') .. '}'
end

-- How many more a webhook's list of diverted events may take.
local function diverted_room(webhook, most)
	return math.max(0, tonumber(most) - redis.call('HLEN', p .. 'dv:' .. webhook))
end

-- Stores diverted events: locator, record, … at most so many that one call can have them.
local function divert(webhook, records)
	if not records[1] then
		return
	end
	local order = {}
	for i = 1, #records, 2 do
		order[i], order[i + 1] = 0, records[i]
	end
	redis.call('HSET', p .. 'dv:' .. webhook, unpack(records))
	redis.call('ZADD', p .. 'dvx:' .. webhook, unpack(order))
end

-- 2026-11-23T07:21:00.123Z (days to date: Howard Hinnant, chrono-compatible date algorithms).
local function datetime(ms)
	local days = math.floor(ms / 86400000)
	local rest = ms - days * 86400000
	local z = days + 719468
	local era = math.floor(z / 146097)
	local doe = z - era * 146097
	local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524)
		- math.floor(doe / 146096)) / 365)
	local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
	local mp = math.floor((5 * doy + 2) / 153)
	local month = mp < 10 and mp + 3 or mp - 9
	return string.format('%04d-%02d-%02dT%02d:%02d:%02d.%03dZ',
		yoe + era * 400 + (month <= 2 and 1 or 0), month,
		doy - math.floor((153 * mp + 2) / 5) + 1, math.floor(rest / 3600000),
		math.floor(rest / 60000) % 60, math.floor(rest / 1000) % 60, rest % 1000)
end

-- Queues a notice for the webhook's alertEndpoint: the first at once, then one a minute, which says
-- how many were left out.  suffix: the last 12 characters of its locator.
local function alert(webhook, suffix, about)
	local state = p .. 'st:' .. webhook
	local now = now_ms()
	local last = redis.call('HMGET', state, 'alertedAt', 'suppressed')
	local since = now - (tonumber(last[1]) or 0)
	if since >= 0 and since < 60000 then -- the clock may have been set back
		redis.call('HINCRBY', state, 'suppressed', 1)
		return false
	end
	redis.call('HSET', state, 'alertedAt', int(now), 'suppressed', 0)
	local locator = base32(now, 10) .. base32(0, 4) .. suffix
	-- a damaged webhook must not end a script in the midst of its writing
	local is_json, doc = pcall(cjson.decode, redis.pcall('HGET', p .. 'wh:' .. webhook, 'doc'))
	local name = is_json and type(doc) == 'table' and tostring(doc.name) or ''
	local data = '{"webhookLocator":"' .. webhook .. '","webhookName":' .. cjson.encode(name)
		.. ',"eventLocator":"' .. about.event .. '","requestLocator":"' .. about.request
		.. '","eventType":"' .. about.type .. '","failureTrigger":' .. cjson.encode(about.trigger)
		.. ',"failureMessage":' .. cjson.encode(about.message)
		.. ',"failureTimestamp":"' .. datetime(now) .. '","attempts":' .. about.attempts
		.. ',"diverted":' .. tostring(about.diverted) .. ',"suspended":' .. tostring(about.suspended)
		.. ',"suppressed":' .. int(tonumber(last[2]) or 0) .. '}'
	local copy = copy_of(locator, int(now), { type = 'webhook.delivery.failed', data = data })
	redis.call('HSET', p .. 'rt:' .. webhook .. ':alert', locator, '0 ' .. copy)
	redis.call('ZADD', p .. 'q:' .. webhook .. ':alert', wait_score(now), locator)
	wake(webhook .. ':alert', wait_score(now))
	return true
end

-- Those of a webhook's event types that none of its others covers: an event finds it once.
local function patterns_of(subs)
	local all, patterns = {}, {}
	for pattern in string.gmatch(subs, '%S+') do
		all[pattern] = true
	end
	for pattern in string.gmatch(subs, '%S+') do
		local covered = pattern ~= '*' and all['*']
		local dot = string.find(pattern, '.', 1, true)
		while dot and not covered do
			local wider = string.sub(pattern, 1, dot) .. '*'
			covered = wider ~= pattern and all[wider]
			dot = string.find(pattern, '.', dot + 1, true)
		end
		if not covered then
			patterns[#patterns + 1] = pattern
		end
	end
	return patterns
end

-- How many words stand behind the key of commands that have no more than two, or whose further words
-- would be keys, too; the others take any three.  Redis 8 refuses to judge a command of the wrong length.
local FEW = { EXISTS = 0, HLEN = 0, LLEN = 0, UNLINK = 0, HGET = 1, HSTRLEN = 1, HINCRBY = 2, LTRIM = 2,
	ZINCRBY = 2 }

-- Before the first write of a script that must not be left half done: the rights of this user, which
-- were all there at connect, may have been taken away since.  The commands are those on keys that
-- it calls from here on.
local function need(...)
	local key = p .. 'due'
	for i = 1, select('#', ...) do
		local command = select(i, ...)
		local n = FEW[command] or 3
		local may
		if n == 3 then
			may = redis.acl_check_cmd(command, key, '1', '1', '1')
		elseif n == 2 then
			may = redis.acl_check_cmd(command, key, '1', '1')
		elseif n == 1 then
			may = redis.acl_check_cmd(command, key, '1')
		else
			may = redis.acl_check_cmd(command, key)
		end
		if not may then
			error({ err = 'NOPERM this user has lost a right: ' .. command })
		end
	end
end

-- What let_go() calls.
local LETTING_GO = { 'EXISTS', 'SREM', 'HINCRBY', 'HSTRLEN', 'HDEL', 'ZINCRBY' }

local function need_channel()
	if not redis.acl_check_cmd('PUBLISH', CHANGES, '') then
		error({ err = 'NOPERM this user has lost a right: PUBLISH to ' .. CHANGES })
	end
end

-- What publishing does for a webhook: its version, whether it delivers, and what becomes of an event
-- that cannot be queued.  Kept for the subscriptions of an enabled webhook.
local function subscription(version, suspended, fate)
	return version .. (suspended and ' suspended ' or ' deliver ') .. fate
end

local function subscribe(tenant, webhook, subs, version, suspended, fate)
	local value = subscription(version, suspended, fate)
	for _, pattern in ipairs(patterns_of(subs)) do
		redis.call('HSET', p .. 'sub:' .. tenant .. ':' .. pattern, webhook, value)
	end
end

-- Writes what is known of a webhook into the subscriptions of a pattern, if it belongs there.
local function subscribe_again(tenant, pattern, webhook)
	local state = redis.pcall('HMGET', p .. 'wh:' .. webhook, 'tenant', 'version', 'enabled',
		'suspendedAt', 'subs', 'fate')
	if state.err or state[1] ~= tenant or state[3] ~= '1' or not (state[2] and state[4] and state[6])
		or not string.find(' ' .. (state[5] or '') .. ' ', ' ' .. pattern .. ' ', 1, true) then
		return nil
	end
	for _, own in ipairs(patterns_of(state[5])) do
		if own == pattern then
			local value = subscription(state[2], state[4] ~= '0', state[6])
			redis.call('HSET', p .. 'sub:' .. tenant .. ':' .. pattern, webhook, value)
			return value
		end
	end
	return nil
end

-- Makes the subscriptions of a pattern anew, of no more webhooks than a script may look at; fsck
-- finds those that are left.
bring_back = function(tenant, pattern)
	for _, webhook in ipairs(redis.pcall('ZRANGE', p .. 'whs:' .. tenant, 0, 1999)) do
		subscribe_again(tenant, pattern, webhook)
	end
end
