-- A webhook's diverted events, oldest first.
-- ARGV: tenant, webhook, offset, count, or tenant, webhook, '', '', locator for one.
-- Returns {'missing'}, or {'1' when the list ends here, locator, record, event, …}: the event as
-- event_text() in lib.lua has it, '' when the record has a copy of its own or there is none; in lists
-- without its data, which nobody asked for. What was read is 4 MiB at most, then the list goes on.
local BYTES_MAX = 4 * 1024 * 1024
local tenant, webhook = ARGV[1], ARGV[2]
local dv = p .. 'dv:' .. webhook
if redis.call('HGET', p .. 'wh:' .. webhook, 'tenant') ~= tenant then
	return { 'missing' }
end

local function has_copy(record)
	return record == '' or string.find(record, ',"event":', 1, true)
end

-- What event_text() gives, but {} for the data, and how large that was. Nothing large is put together.
local function without_data(locator)
	local id = stream_id(locator)
	local entry = redis.call('XRANGE', p .. 'ev:' .. tenant, id, id)[1]
	if entry and entry[2][6] == string.sub(locator, 15) then
		local size = #entry[2][4]
		entry[2][4] = '{}'
		return table.concat(entry[2], '\0'), size
	end
	local text = redis.call('HGET', p .. 'kp:' .. tenant, locator) or ''
	local _, before = string.find(text, '\0data\0', 1, true) -- type, <type>, data, <data>, suffix, …
	local after = before and string.find(text, '\0', before + 1, true)
	return after and string.sub(text, 1, before) .. '{}' .. string.sub(text, after) or text, #text
end

if ARGV[5] then
	local record = redis.call('HGET', dv, ARGV[5])
	local event = record and not has_copy(record) and event_text(tenant, ARGV[5])
	return record and { '1', ARGV[5], record, event or '' } or { 'missing' }
end
local offset, n = tonumber(ARGV[3]), tonumber(ARGV[4])
local page = redis.call('ZRANGE', p .. 'dvx:' .. webhook, offset, offset + n)
local out, bytes = { '1' }, 0
for i, locator in ipairs(page) do
	if i > n or bytes >= BYTES_MAX then
		out[1] = '0'
		break
	end
	local record = redis.call('HGET', dv, locator) or ''
	local event, size = '', 0
	if not has_copy(record) then
		event, size = without_data(locator)
	end
	bytes = bytes + #record + size
	out[#out + 1] = locator
	out[#out + 1] = record
	out[#out + 1] = event
end
return out
