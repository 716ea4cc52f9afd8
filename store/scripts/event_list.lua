-- One page of a tenant's events, or a part of it.
-- ARGV: tenant, from and to (stream ids, with "(" when exclusive), type ('' for all), page size,
--       entries looked at at most, XRANGE or XREVRANGE (then from is the later one).
-- Returns {id of the last entry looked at ('' for none), '1' when there are more, entries…}.  Entries
-- beyond so many bytes, returned or only looked at, are left for the next page.
local BYTES_MAX = 1024 * 1024
local LOOKED_MAX = 2 * 1024 * 1024
local CHUNK = 16 -- read at once
local SMALL = 64 * 1024 -- behind a larger one, one at a time; then twice as many each time
local events = p .. 'ev:' .. ARGV[1]
local from, to, event_type, range = ARGV[2], ARGV[3], ARGV[4], ARGV[7]
local page, looks = tonumber(ARGV[5]), tonumber(ARGV[6])
local out = { '', '0' }
local found, bytes, looked, chunk = 0, 0, 0, 1
while looks > 0 do
	local entries = redis.call(range, events, from, to, 'COUNT', math.min(looks, chunk))
	chunk = math.min(2 * chunk, CHUNK)
	if not entries[1] then
		return out
	end
	for _, entry in ipairs(entries) do
		if found >= page or bytes >= BYTES_MAX or looked >= LOOKED_MAX then
			out[2] = '1'
			return out
		end
		looks = looks - 1
		out[1] = entry[1]
		from = '(' .. entry[1]
		local size = 0
		for i = 2, #entry[2], 2 do
			size = size + #entry[2][i]
		end
		looked = looked + size
		if size > SMALL then
			chunk = 1
		end
		if event_type == '' or entry[2][2] == event_type then
			found = found + 1
			out[#out + 1] = entry
			bytes = bytes + size
		end
	end
end
if redis.call(range, events, from, to, 'COUNT', 1)[1] then
	out[2] = '1'
end
return out
