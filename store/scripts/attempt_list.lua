-- A webhook's attempts, newest first.
-- ARGV: tenant, webhook, outcome ('' for all), event ('' for all), offset, count, --attempts-kept.
-- Returns {'missing'} or {'1' when the list ends here, entries…}.
local webhook, outcome, event = ARGV[2], ARGV[3], ARGV[4]
local skip, wanted = tonumber(ARGV[5]), tonumber(ARGV[6])
if redis.call('HGET', p .. 'wh:' .. webhook, 'tenant') ~= ARGV[1] then
	return { 'missing' }
end
local out = { '1' }
local to, left = '+', tonumber(ARGV[7])
while left > 0 do
	local page = redis.call('XREVRANGE', p .. 'at:' .. webhook, to, '-', 'COUNT', math.min(left, 100))
	for _, entry in ipairs(page) do
		to = '(' .. entry[1]
		local fields = fields_of(entry[2])
		if (outcome == '' or fields.outcome == outcome) and (event == '' or fields.event == event) then
			if skip > 0 then
				skip = skip - 1
			elseif wanted > 0 then
				wanted = wanted - 1
				out[#out + 1] = entry
			else
				out[1] = '0'
				return out
			end
		end
	end
	if #page == 0 then
		break
	end
	left = left - #page
end
return out
