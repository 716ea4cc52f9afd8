-- A webhook's diverted events, oldest first.
-- ARGV: tenant, webhook, offset, count, or tenant, webhook, '', '', locator for one.
-- Returns {'missing'}, or {'1' when the list ends here, locator, record, …}; without the records that
-- one reply must not hold: at most 8 MiB, then the list goes on.
local BYTES_MAX = 8 * 1024 * 1024
local webhook = ARGV[2]
local dv = p .. 'dv:' .. webhook
if redis.call('HGET', p .. 'wh:' .. webhook, 'tenant') ~= ARGV[1] then
	return { 'missing' }
end
if ARGV[5] then
	local record = redis.call('HGET', dv, ARGV[5])
	return record and { '1', ARGV[5], record } or { 'missing' }
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
	out[#out + 1] = locator
	out[#out + 1] = record
	bytes = bytes + #record
end
return out
