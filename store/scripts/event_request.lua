-- The events of one request.
-- ARGV: tenant, the request's id, and the same as a stream id (a request without an id of its own
--       has its first event's locator).
-- Returns the entries.  At most 1000 of them, the most that one request can hold.
local MOST = 1000
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

for _, id in ipairs(redis.call('LRANGE', p .. 'req:' .. tenant .. ':' .. request, 0, MOST - 1)) do
	local entry = redis.call('XRANGE', events, id, id)[1]
	if entry and of_request(entry) then
		out[#out + 1] = entry
	end
end

-- The events of one request stand next to each other; the first says how many they are.
local first = redis.call('XRANGE', events, ARGV[3], ARGV[3])[1]
local n = 1
if first then
	local own, suffix = true, ''
	for i = 1, #first[2], 2 do
		if first[2][i] == 'n' then
			n = tonumber(first[2][i + 1])
		elseif first[2][i] == 'requestId' then
			own = false
		elseif first[2][i] == 'suffix' then
			suffix = first[2][i + 1]
		end
	end
	if suffix ~= string.sub(request, 15) then
		return out
	end
	if own then
		out[#out + 1] = first
	end
else
	n = MOST
end
local from = '(' .. ARGV[3]
local left = n - 1
while left > 0 do
	local entries = redis.call('XRANGE', events, from, '+', 'COUNT', math.min(left, 100))
	for _, entry in ipairs(entries) do
		from = '(' .. entry[1]
		if of_request(entry) then
			out[#out + 1] = entry
		end
	end
	left = left - #entries
	if #entries == 0 then
		break
	end
end
return out
