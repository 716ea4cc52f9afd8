-- The events of one request.
-- ARGV: tenant, the request's id, and the same as a stream id (a request without an id of its own
--       has its first event's locator), bytes of data at most.
-- Returns the entries.  At most 1000 of them, the most that one request can hold, and none beyond so many
-- bytes: clients can use an id again and again.
local MOST = 1000
local CHUNK = 16 -- read at once: each may be large
local tenant, request = ARGV[1], ARGV[2]
local events = p .. 'ev:' .. tenant
local out = {}

local function of_request(entry)
	for i = 1, #entry[2], 2 do
		if entry[2][i] == 'requestId' then
			return entry[2][i + 1] == request
		end
	end
	return false
end

local seen = {}
local left_bytes = tonumber(ARGV[4])
local function take(entry)
	if not seen[entry[1]] and left_bytes > 0 then
		seen[entry[1]] = true
		out[#out + 1] = entry
		left_bytes = left_bytes - #entry[2][4]
	end
end

-- Ids that clients sent are indexed.
for _, id in ipairs(redis.call('LRANGE', p .. 'req:' .. tenant .. ':' .. request, 0, MOST - 1)) do
	if left_bytes <= 0 then
		return out
	end
	local entry = redis.call('XRANGE', events, id, id)[1]
	if entry and of_request(entry) then
		take(entry)
	end
end

-- Otherwise the id is the first event's locator; the events of one request stand next to each other,
-- and the first says how many they are.
local first = redis.call('XRANGE', events, ARGV[3], ARGV[3])[1]
if not first then
	return out
end
local fields = { n = '1' }
for i = 1, #first[2], 2 do
	fields[first[2][i]] = first[2][i + 1]
end
if fields.suffix ~= string.sub(request, 15) then
	return out
end
if not fields.requestId then
	take(first)
end
local from = '(' .. ARGV[3]
local left = tonumber(fields.n) - 1
while left > 0 and left_bytes > 0 do
	local entries = redis.call('XRANGE', events, from, '+', 'COUNT', math.min(left, CHUNK))
	for _, entry in ipairs(entries) do
		from = '(' .. entry[1]
		if of_request(entry) then
			take(entry)
		end
	end
	if #entries == 0 then
		break
	end
	left = left - #entries
end
return out
