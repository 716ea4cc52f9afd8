-- A webhook's diverted events, oldest first.
-- ARGV: tenant, webhook, offset, count, or tenant, webhook, '', '', locator for one.
-- Returns {'missing'}, or {'1' when the list ends here, locator, record, event, …}: the event as
-- event_text() in lib.lua has it, '' when the record has a copy of its own or there is none; in lists
-- without its data, which nobody asked for. What was read is 8 MiB at most, then the list goes on.
local BYTES_MAX = 8 * 1024 * 1024
local tenant, webhook = ARGV[1], ARGV[2]
local dv = p .. 'dv:' .. webhook
if redis.call('HGET', p .. 'wh:' .. webhook, 'tenant') ~= tenant then
	return { 'missing' }
end

local function event_of(record, locator)
	if record == '' or string.find(record, ',"event":', 1, true) then
		return ''
	end
	return event_text(tenant, locator) or ''
end

-- type, <type>, data, <data>, suffix, …
local function without_data(text)
	local _, before = string.find(text, '\0data\0', 1, true)
	local after = before and string.find(text, '\0', before + 1, true)
	return after and string.sub(text, 1, before) .. '{}' .. string.sub(text, after) or text
end

if ARGV[5] then
	local record = redis.call('HGET', dv, ARGV[5])
	return record and { '1', ARGV[5], record, event_of(record, ARGV[5]) } or { 'missing' }
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
	local event = event_of(record, locator)
	bytes = bytes + #record + #event
	out[#out + 1] = locator
	out[#out + 1] = record
	out[#out + 1] = without_data(event)
end
return out
