-- A webhook's attempts, newest first.
-- ARGV: tenant, webhook, outcome ('' for all), event ('' for all), offset, count, --attempts-kept.
-- Returns {'missing'} or {'1' when the list ends here, records…}.
local webhook, outcome, event = ARGV[2], ARGV[3], ARGV[4]
local skip, wanted = tonumber(ARGV[5]), tonumber(ARGV[6])
local STEP = 100
if redis.call('HGET', p .. 'wh:' .. webhook, 'tenant') ~= ARGV[1] then
	return { 'missing' }
end
local out = { '1' }
local last, left = -1, tonumber(ARGV[7])
while left > 0 do
	local step = math.min(left, STEP)
	local page = redis.call('LRANGE', p .. 'at:' .. webhook, last - step + 1, last)
	for i = #page, 1, -1 do
		local its_outcome, its_event = string.match(page[i], '^%d+ (%S+) %d+ (%S+)')
		if (outcome == '' or its_outcome == outcome) and (event == '' or its_event == event) then
			if skip > 0 then
				skip = skip - 1
			elseif wanted > 0 then
				wanted = wanted - 1
				out[#out + 1] = page[i]
			else
				out[1] = '0'
				return out
			end
		end
	end
	if #page < step then
		break
	end
	last = last - step
	left = left - step
end
return out
