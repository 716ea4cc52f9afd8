#!lua flags=allow-oom
-- One step of trimming a tenant's stream: its oldest events beyond the limits, at most 100.
-- A queue that still owes one of them gets its copy first.
-- ARGV: tenant, --event-retention ms, --events-kept.
-- Returns how many went; 100 means that there may be more.
local STEP = 100
local tenant = ARGV[1]
local events = p .. 'ev:' .. tenant
local oldest_ms = now_ms() - tonumber(ARGV[2])
local beyond = redis.call('XLEN', events) - tonumber(ARGV[3])

local expired, last = {}, nil
for i, entry in ipairs(redis.call('XRANGE', events, '-', '+', 'COUNT', STEP)) do
	local ms = tonumber(string.match(entry[1], '^%d+'))
	if i > beyond and ms >= oldest_ms then
		break
	end
	expired[i] = entry
	last = entry[1]
end
if not last then
	if redis.call('XLEN', events) == 0 then
		redis.call('ZREM', p .. 'tenants', tenant)
	end
	return 0
end

local locators, copies = {}, {}
for i, entry in ipairs(expired) do
	local ms, seq = string.match(entry[1], '(%d+)-(%d+)')
	local fields = fields_of(entry[2])
	locators[i] = base32(tonumber(ms), 10) .. base32(tonumber(seq), 4) .. fields.suffix
	copies[i] = '0 ' .. copy_of(locators[i], ms, fields)
end
for _, webhook in ipairs(redis.call('ZRANGE', p .. 'whs:' .. tenant, 0, -1)) do
	local queue = p .. 'q:' .. webhook
	if redis.call('ZCARD', queue) > 0 then
		local scores = redis.call('ZMSCORE', queue, unpack(locators))
		for i, copy in ipairs(copies) do
			if scores[i] then
				redis.call('HSETNX', p .. 'rt:' .. webhook, locators[i], copy)
			end
		end
	end
end
local ms, seq = string.match(last, '(%d+)-(%d+)')
redis.call('XTRIM', events, 'MINID', ms .. '-' .. int(seq + 1))
return #expired
