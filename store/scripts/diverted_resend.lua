-- Puts diverted events back into the queue, with their attempts counted afresh.
-- ARGV: tenant, webhook, --max-pending, one locator, '' and '', or '', the last locator of the step before ('' to
--       begin) and the last one of all ('' to ask for it).
-- Returns {'missing'}, {'inactive'}, {'full'} (the queue, before anything was resent) or {'ok', how
--       many, the last one of this step ('' at the end), the last one of all}.  At most 100 a step,
--       and 4 MiB, and no more than the queue takes.
local STEP, BYTES_MAX = 100, 4 * 1024 * 1024
local webhook = ARGV[2]
local dv, dvx = p .. 'dv:' .. webhook, p .. 'dvx:' .. webhook
local state = redis.call('HMGET', p .. 'wh:' .. webhook, 'tenant', 'enabled', 'suspendedAt')
if state[1] ~= ARGV[1] or (ARGV[4] ~= '' and redis.call('HEXISTS', dv, ARGV[4]) == 0) then
	return { 'missing' }
end
if state[2] ~= '1' or state[3] ~= '0' then
	return { 'inactive' }
end

local room = tonumber(ARGV[3]) - redis.call('ZCARD', p .. 'q:' .. webhook)
local all, last = { ARGV[4] }, ARGV[6]
if ARGV[4] == '' then
	if last == '' then
		last = redis.call('ZRANGE', dvx, -1, -1)[1]
		if not last then
			return { 'ok', '0', '', '' }
		end
	end
	all = redis.call('ZRANGE', dvx, ARGV[5] == '' and '-' or '(' .. ARGV[5], '[' .. last, 'BYLEX',
		'LIMIT', 0, STEP)
end
if room <= 0 and all[1] then
	return { 'full' }
end
need('HGET', 'HSET', 'ZADD', 'HDEL', 'ZREM')
local now, bytes, at = wait_score(now_ms()), 0, ''
local back, members, copies = {}, {}, {}
for _, locator in ipairs(all) do
	if bytes >= BYTES_MAX or #members / 2 >= room then
		break
	end
	local record = redis.call('HGET', dv, locator)
	if record then
		local _, before = string.find(record, ',"event":', 1, true)
		if before then -- stored before schema 2, with a copy of its own
			copies[#copies + 1] = locator
			copies[#copies + 1] = '0 ' .. string.sub(record, before + 1, -2)
		end
		members[#members + 1] = now
		members[#members + 1] = locator
		bytes = bytes + #record
	end
	back[#back + 1] = locator
	at = locator
end
if back[1] then
	redis.call('HDEL', dv, unpack(back))
	redis.call('ZREM', dvx, unpack(back))
end
if copies[1] then
	redis.call('HSET', p .. 'rt:' .. webhook, unpack(copies))
end
if members[1] then
	redis.call('ZADD', p .. 'q:' .. webhook, unpack(members))
	wake(webhook, now)
	redis.pcall('PUBLISH', CHANGES, 'due ' .. p) -- only a hint
end
return { 'ok', int(#members / 2), at == last and '' or at, last }
