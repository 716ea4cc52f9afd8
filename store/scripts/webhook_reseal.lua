-- Replaces the stored form of a webhook's secrets, unless it was written meanwhile.  The webhook
-- stays the same, so its version does too.
-- ARGV: webhook, the form that was read, the new one.  Returns 1 or 0.
local key = p .. 'wh:' .. ARGV[1]
if redis.call('HGET', key, 'secrets') ~= ARGV[2] then
	return 0
end
redis.call('HSET', key, 'secrets', ARGV[3])
return 1
