#!lua flags=allow-oom
-- Ends an attempt that failed, if the caller still holds its lease and has judged it by the webhook's
-- policy in force.
-- ARGV: webhook, --attempts-kept, lease end, locator, attempt, type, status, ms, trigger, message,
--       answer's text, version of the webhook that it was judged by, what to do (retry, divert,
--       drop, fail), ms until the retry, copy of the event, requestId, '1' to suspend the webhook,
--       '1' to alert, --max-diverted, suffix of the notice's locator.
-- Returns {'gone'} (the lease is somebody else's by now, or the webhook was deleted), {'moved'} (the
--       webhook is of another version: judge again) or {'ok', what was done}.
local webhook, kept, locator, number = ARGV[1], ARGV[2], ARGV[4], ARGV[5]
local trigger, message, what = ARGV[9], ARGV[10], ARGV[13]
local queue, key = p .. 'q:' .. webhook, p .. 'wh:' .. webhook
local held = redis.call('ZSCORE', queue, locator)
if not held or tonumber(held) ~= tonumber(ARGV[3]) then
	return { 'gone' }
end
local state = redis.call('HMGET', key, 'version', 'tenant', 'subs', 'fate', 'suspendedAt', 'enabled')
if not state[1] then
	return { 'gone' }
end
if state[1] ~= ARGV[12] then
	return { 'moved' }
end

local now = now_ms()
local next_at = what == 'retry' and wait_score(now + ARGV[14] + 1) -- not too early
if next_at then
	redis.call('HSET', p .. 'rt:' .. webhook, locator, number .. ' ' .. ARGV[15])
	redis.call('ZADD', queue, next_at, locator)
	wake(webhook, next_at)
else
	redis.call('ZREM', queue, locator)
	redis.call('HDEL', p .. 'rt:' .. webhook, locator)
end
if what == 'divert' and
	not divert(webhook, locator, ARGV[19], trigger, message, number, ARGV[15]) then
	what = 'drop' -- counted there
elseif what == 'drop' then
	count(webhook, 'dropped')
elseif what == 'fail' then
	count(webhook, 'failed')
end

local outcomes = { retry = 'retrying', divert = 'diverted', drop = 'dropped', fail = 'failed' }
local record = { 'event', locator, 'type', ARGV[6], 'attempt', number, 'outcome', outcomes[what],
	'status', ARGV[7], 'ms', ARGV[8], 'trigger', trigger, 'message', message }
if next_at then
	record[#record + 1] = 'next'
	record[#record + 1] = next_at
end
if ARGV[11] ~= '' then
	record[#record + 1] = 'response'
	record[#record + 1] = ARGV[11]
end
attempt(webhook, kept, record)
redis.call('HSET', p .. 'st:' .. webhook, 'lastFailedAt', int(now))

if ARGV[17] == '1' and state[5] == '0' then
	local version = int(state[1] + 1)
	redis.call('HSET', key, 'version', version, 'suspendedAt', int(now), 'updatedAt', int(now))
	if state[6] == '1' then
		subscribe(state[2], webhook, state[3], version, true, state[4])
	end
	wake(webhook, int(now))
	redis.call('PUBLISH', CHANGES, 'webhook ' .. webhook)
end
if ARGV[18] == '1' then
	alert(webhook, ARGV[20], { event = locator, request = ARGV[16], type = ARGV[6],
		trigger = trigger, message = message, attempts = number, diverted = what == 'divert',
		suspended = ARGV[17] == '1' or state[5] ~= '0' })
end
return { 'ok', what }
