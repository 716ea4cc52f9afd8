#!lua flags=allow-oom
-- Records an attempt that no queue knows of: a test event's.
-- ARGV: webhook, --attempts-kept, outcome, record.
-- Returns 1, or 0 when the webhook is gone.
local webhook = ARGV[1]
if redis.call('EXISTS', p .. 'wh:' .. webhook) == 0 then
	return 0
end
attempted(webhook, ARGV[2], { record_head(int(now_ms()), ARGV[3], '0') .. ARGV[4] })
return 1
