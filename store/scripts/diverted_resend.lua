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
local now, bytes, n, at = wait_score(now_ms()), 0, 0, ''
for _, locator in ipairs(all) do
	if bytes >= BYTES_MAX or n >= room then
		break
	end
	local record = redis.call('HGET', dv, locator)
	if record then
		local _, before = string.find(record, ',"event":', 1, true)
		local copy = string.sub(record, before + 1, -2)
		redis.call('HSET', p .. 'rt:' .. webhook, locator, '0 ' .. copy)
		redis.call('ZADD', p .. 'q:' .. webhook, now, locator)
		bytes = bytes + #copy
		n = n + 1
	end
	redis.call('HDEL', dv, locator)
	redis.call('ZREM', dvx, locator)
	at = locator
end
if n > 0 then
	wake(webhook, now)
	redis.pcall('PUBLISH', CHANGES, 'due ' .. p) -- only a hint
end
return { 'ok', int(n), at == last and '' or at, last }
