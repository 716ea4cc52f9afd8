-- Ends a delivery that failed, if the caller still holds its lease.
-- ARGV: webhook, --attempts-kept, lease end, locator, attempt, type, status, ms,
--       trigger, message, answer's text.
-- Returns 1, or 0 when the lease is somebody else's by now or the webhook is gone.
local webhook, locator = ARGV[1], ARGV[4]
local queue = p .. 'q:' .. webhook
local held = redis.call('ZSCORE', queue, locator)
if not held or tonumber(held) ~= tonumber(ARGV[3]) + 0.5 then
	return 0
end
if redis.call('EXISTS', p .. 'wh:' .. webhook) == 0 then
	return 0
end
redis.call('ZREM', queue, locator)
redis.call('HDEL', p .. 'rt:' .. webhook, locator)
local record = { 'event', locator, 'type', ARGV[6], 'attempt', ARGV[5], 'outcome', 'failed',
	'status', ARGV[7], 'ms', ARGV[8], 'trigger', ARGV[9], 'message', ARGV[10] }
if ARGV[11] ~= '' then
	record[#record + 1] = 'response'
	record[#record + 1] = ARGV[11]
end
attempt(webhook, ARGV[2], record)
redis.call('HINCRBY', p .. 'st:' .. webhook, 'failed', 1)
redis.call('HSET', p .. 'st:' .. webhook, 'lastFailedAt', int(now_ms()))
return 1
