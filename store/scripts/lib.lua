-- What all scripts share: it stands before each of them.
-- KEYS[1] is the slot's prefix, "evhook:{N}:"; all keys are made from it (doc/redis.md).
local p = KEYS[1]

local function now_ms()
	local t = redis.call('TIME')
	return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Numbers in full: Lua would print large ones as 1.7e+12.
local function int(n)
	return string.format('%.0f', n)
end

-- The score of a lease: its end, and .5 to tell it from a wait.
local function lease_score(ends)
	return string.format('%.1f', ends + 0.5)
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
	local out = {}
	for i = width, 1, -1 do
		local digit = n % 32
		out[i] = string.sub(BASE32, digit + 1, digit + 1)
		n = (n - digit) / 32
	end
	return table.concat(out)
end

-- A stream id from the first 14 characters of a locator: 48 bits of ms, 20 of sequence.
local function stream_id(locator)
	local n = 0
	local ms
	for i = 1, 14 do
		n = n * 32 + string.find(BASE32, string.sub(locator, i, i), 1, true) - 1
		if i == 10 then
			ms = n
			n = 0
		end
	end
	return int(ms) .. '-' .. int(n)
end

-- One attempt record; pairs of names and values.
local function attempt(webhook, kept, record)
	redis.call('XADD', p .. 'at:' .. webhook, 'MAXLEN', '~', kept, '*', unpack(record))
end

local CHANGES = 'evhook:changes'
