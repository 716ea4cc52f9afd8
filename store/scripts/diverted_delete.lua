#!lua flags=allow-oom
-- Deletes a diverted event.
-- ARGV: tenant, webhook, locator.
-- Returns 'ok' or 'missing'.
local webhook = ARGV[2]
if redis.call('HGET', p .. 'wh:' .. webhook, 'tenant') ~= ARGV[1] then
	return 'missing'
end
need('ZREM', 'HDEL')
redis.call('ZREM', p .. 'dvx:' .. webhook, ARGV[3])
return redis.call('HDEL', p .. 'dv:' .. webhook, ARGV[3]) == 1 and 'ok' or 'missing'
