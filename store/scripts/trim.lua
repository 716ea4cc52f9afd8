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

-- The form of proto/event_copy.h: nothing but data may need escapes, and it is JSON already.
local function copy_of(locator, id, fields)
	local value = {}
	for i = 1, #fields, 2 do
		value[fields[i]] = fields[i + 1]
	end
	local text = { '0 {"locator":"', locator, '","type":"', value.type, '","data":', value.data,
		',"requestId":"', value.requestId or locator, '"' }
	if value.userLocator then
		text[#text + 1] = ',"userLocator":"' .. value.userLocator .. '"'
	end
	for _, name in ipairs({ 'traceparent', 'tracestate' }) do
		if value[name] then
			text[#text + 1] = ',"' .. name .. '":' .. cjson.encode(value[name])
		end
	end
	text[#text + 1] = ',"timestamp":' .. (value.timestamp or string.match(id, '^%d+')) .. '}'
	return table.concat(text)
end

local locators = {}
for i, entry in ipairs(expired) do
	local ms, seq = string.match(entry[1], '(%d+)-(%d+)')
	local suffix
	for j = 1, #entry[2], 2 do
		if entry[2][j] == 'suffix' then
			suffix = entry[2][j + 1]
		end
	end
	locators[i] = base32(tonumber(ms), 10) .. base32(tonumber(seq), 4) .. suffix
end
for _, webhook in ipairs(redis.call('ZRANGE', p .. 'whs:' .. tenant, 0, -1)) do
	local queue = p .. 'q:' .. webhook
	if redis.call('ZCARD', queue) > 0 then
		local owed = redis.call('ZMSCORE', queue, unpack(locators))
		for i, entry in ipairs(expired) do
			if owed[i] then
				redis.call('HSETNX', p .. 'rt:' .. webhook, locators[i],
					copy_of(locators[i], entry[1], entry[2]))
			end
		end
	end
end
local ms, seq = string.match(last, '(%d+)-(%d+)')
redis.call('XTRIM', events, 'MINID', ms .. '-' .. int(seq + 1))
return #expired
