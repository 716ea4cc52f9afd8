-- A webhook's attempts, newest first; one step of that.
-- ARGV: tenant, webhook, outcome ('' for all), event ('' for all), how many to leave out, how many
--       are wanted, how many were looked at before, --attempts-kept.
-- Returns {'missing'} or {'1' when the list ends here, '0' when there are more than were wanted, else
-- '': to go on, how many are still to be left out, how many were looked at, records…}.
local LOOKS = 1000 -- records that one step looks at: a MiB
local STEP = 100
local webhook, outcome, event = ARGV[2], ARGV[3], ARGV[4]
local skip, wanted, seen = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
if redis.call('HGET', p .. 'wh:' .. webhook, 'tenant') ~= ARGV[1] then
	return { 'missing' }
end
local all = outcome == '' and event == ''
if all then
	seen, skip = seen + skip, 0
end
local out = { '', '0', '0' }
local left = tonumber(ARGV[8]) - seen
local looks = math.min(left, LOOKS)

-- Whether to go on.
local function take(record)
	if not all then
		local its_outcome, its_event = string.match(record, '^%d+ (%S+) %d+ (%S+)')
		if outcome ~= '' and its_outcome ~= outcome or event ~= '' and its_event ~= event then
			return true
		end
	end
	if skip > 0 then
		skip = skip - 1
	elseif wanted > 0 then
		wanted = wanted - 1
		out[#out + 1] = record
	else
		out[1] = '0'
		return false
	end
	return true
end

if left <= 0 then
	out[1] = '1'
end
while looks > 0 and out[1] == '' do
	local step = math.min(looks, STEP)
	local page = redis.call('LRANGE', p .. 'at:' .. webhook, -seen - step, -seen - 1)
	for i = #page, 1, -1 do
		if not take(page[i]) then
			break
		end
	end
	seen, looks, left = seen + step, looks - step, left - step
	if out[1] == '' and (#page < step or left == 0) then
		out[1] = '1'
	end
end
out[2], out[3] = int(skip), int(seen)
return out
