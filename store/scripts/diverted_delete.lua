#!lua flags=allow-oom
-- Deletes a diverted event.
-- ARGV: tenant, webhook, locator.
-- Returns 'ok' or 'missing'.
local tenant, webhook, locator = ARGV[1], ARGV[2], ARGV[3]
if redis.call('HGET', p .. 'wh:' .. webhook, 'tenant') ~= tenant then
	return 'missing'
end
need('ZREM', 'HDEL', unpack(LETTING_GO))
redis.call('ZREM', p .. 'dvx:' .. webhook, locator)
if redis.call('HDEL', p .. 'dv:' .. webhook, locator) == 0 then
	return 'missing'
end
let_go(tenant, webhook, { locator })
return 'ok'
