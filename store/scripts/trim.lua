#!lua flags=allow-oom
-- One step of trimming a tenant's stream: its oldest events beyond the limits, at most 100, and none
-- beyond some bytes.  A queue that still owes one of them gets its copy first.
-- ARGV: tenant, --event-retention ms, --events-kept.
-- Returns {how many went, '1' when there may be more}.
local STEP = 100
local CHUNK = 10 -- read at once: events may be large
local BYTES_MAX = 1024 * 1024
local tenant = ARGV[1]
local events = p .. 'ev:' .. tenant
local oldest_ms = now_ms() - tonumber(ARGV[2])
local beyond = redis.call('XLEN', events) - tonumber(ARGV[3])

local expired = {}
-- Reads them; whether there may be more.
local function read()
	local from, bytes = '-', 0
	while #expired < STEP and bytes < BYTES_MAX do
		local entries = redis.call('XRANGE', events, from, '+', 'COUNT', CHUNK)
		for _, entry in ipairs(entries) do
			local ms = tonumber(string.match(entry[1], '^%d+'))
			if #expired >= beyond and ms >= oldest_ms then
				return false
			end
			expired[#expired + 1] = entry
			from = '(' .. entry[1]
			for i = 2, #entry[2], 2 do
				bytes = bytes + #entry[2][i]
			end
		end
		if #entries < CHUNK then
			return false
		end
	end
	return true
end

local more = read()
if not expired[1] then
	if redis.call('XLEN', events) == 0 then
		redis.call('ZREM', p .. 'tenants', tenant)
	end
	return { 0, '' }
end

local locators = {}
for i, entry in ipairs(expired) do
	local ms, seq = string.match(entry[1], '(%d+)-(%d+)')
	local fields = fields_of(entry[2])
	entry[2] = fields
	locators[i] = base32(tonumber(ms), 10) .. base32(tonumber(seq), 4) .. fields.suffix
end
for _, webhook in ipairs(redis.call('ZRANGE', p .. 'whs:' .. tenant, 0, -1)) do
	local queue = p .. 'q:' .. webhook
	if redis.call('ZCARD', queue) > 0 then
		local scores = redis.call('ZMSCORE', queue, unpack(locators))
		for i, entry in ipairs(expired) do
			if scores[i] then
				redis.call('HSETNX', p .. 'rt:' .. webhook, locators[i],
					'0 ' .. copy_of(locators[i], string.match(entry[1], '^%d+'), entry[2]))
			end
		end
	end
end
local ms, seq = string.match(expired[#expired][1], '(%d+)-(%d+)')
redis.call('XTRIM', events, 'MINID', ms .. '-' .. int(seq + 1))
return { #expired, more and '1' or '' }
