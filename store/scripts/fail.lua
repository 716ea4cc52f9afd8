#!lua flags=allow-oom
-- Ends an attempt that failed, if the caller still holds its lease and has judged it by the webhook's
-- policy in force.
-- ARGV: webhook, --attempts-kept, lease end, locator, attempt, type, trigger, message, record of the
--       attempt, version of the webhook that it was judged by, what to do (retry, divert, drop,
--       fail), ms until the retry, requestId, '1' to suspend the webhook, '1' to alert,
--       --max-diverted, suffix of the notice's locator.
-- Returns {'gone'} (the lease is somebody else's by now, or the webhook was deleted), {'moved'} (the
--       webhook is of another version: judge again) or {'ok', what was done}.
local webhook, kept, locator, number = ARGV[1], ARGV[2], ARGV[4], ARGV[5]
local trigger, message, what = ARGV[7], ARGV[8], ARGV[11]
local queue, key = p .. 'q:' .. webhook, p .. 'wh:' .. webhook
local held = redis.call('ZSCORE', queue, locator)
if not held or tonumber(held) ~= tonumber(ARGV[3]) then
	return { 'gone' }
end
local state = redis.call('HMGET', key, 'version', 'tenant', 'subs', 'fate', 'suspendedAt', 'enabled')
if not state[1] then
	return { 'gone' }
end
if state[1] ~= ARGV[10] then
	return { 'moved' }
end

local now = now_ms()
need('HSET', 'ZADD', 'ZREM', 'HDEL', 'HLEN', 'HINCRBY', 'HMGET', 'HGET', 'RPUSH', 'LTRIM', unpack(LETTING_GO))
if ARGV[15] == '1' then
	need_channel()
end
local next_at = what == 'retry' and wait_score(now + ARGV[12] + 1) -- not too early
local _, copy = attempts_and_copy(redis.call('HGET', p .. 'rt:' .. webhook, locator))
if next_at then
	redis.call('HSET', p .. 'rt:' .. webhook, locator, copy and number .. ' ' .. copy or number)
	redis.call('ZADD', queue, next_at, locator)
	redis.call('ZADD', p .. 'rq:' .. webhook, next_at, locator)
	wake(webhook, next_at)
else
	redis.call('ZREM', queue, locator)
	if redis.call('HDEL', p .. 'rt:' .. webhook, locator) > 0 then
		redis.call('ZREM', p .. 'rq:' .. webhook, locator)
	end
end
if what == 'divert' and diverted_room(webhook, ARGV[16]) == 0 then
	what = 'drop'
end
if what == 'divert' then
	divert(webhook, { locator, diverted_record(trigger, message, now, number, copy) })
elseif not next_at then
	let_go(state[2], webhook, { locator })
	count(webhook, what == 'drop' and 'dropped' or 'failed')
end

local outcomes = { retry = 'retrying', divert = 'diverted', drop = 'dropped', fail = 'failed' }
attempted(webhook, kept, { record_head(int(now), outcomes[what], next_at or '0') .. ARGV[9] })
redis.call('HSET', p .. 'st:' .. webhook, 'lastFailedAt', int(now))

if ARGV[14] == '1' and state[5] == '0' then
	local version = int(state[1] + 1)
	redis.call('HSET', key, 'version', version, 'suspendedAt', int(now), 'updatedAt', int(now))
	if state[6] == '1' then
		subscribe(state[2], webhook, state[3], version, true, state[4])
	end
	wake(webhook, int(now))
	redis.call('PUBLISH', CHANGES, 'webhook ' .. webhook)
end
if ARGV[15] == '1' then
	alert(webhook, ARGV[17], { event = locator, request = ARGV[13], type = ARGV[6],
		trigger = trigger, message = message, attempts = number, diverted = what == 'divert',
		suspended = ARGV[14] == '1' or state[5] ~= '0' })
end
return { 'ok', what }
