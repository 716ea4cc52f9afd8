#!lua flags=allow-oom
-- Deletes a webhook with its queue, attempts and diverted events. Of the kept events that it needed
-- some are let go here, the others in steps by trim.lua, which is told by gone:<tenant>.
-- ARGV: tenant, webhook, version it must have ('' for any).
-- Returns 'ok', 'missing' or 'stale'.
local tenant, webhook = ARGV[1], ARGV[2]
local key = p .. 'wh:' .. webhook
local old = redis.call('HMGET', key, 'tenant', 'version', 'subs')
if old[1] ~= tenant then
	return 'missing'
end
if ARGV[3] ~= '' and ARGV[3] ~= old[2] then
	return 'stale'
end
redis.call('ZCARD', p .. 'whs:' .. tenant) -- a damaged one ends this before anything is written
need('HDEL', 'ZREM', 'ZADD', 'UNLINK', 'SPOP', 'SADD', unpack(LETTING_GO))
need_channel()
for pattern in string.gmatch(old[3] or '', '%S+') do
	redis.call('HDEL', p .. 'sub:' .. tenant .. ':' .. pattern, webhook)
end
redis.call('ZREM', p .. 'whs:' .. tenant, webhook)
redis.call('ZREM', p .. 'due', webhook, webhook .. ':alert')
redis.call('UNLINK', key, p .. 'q:' .. webhook, p .. 'q:' .. webhook .. ':alert', p .. 'rt:' .. webhook,
	p .. 'rq:' .. webhook, p .. 'rt:' .. webhook .. ':alert', p .. 'dv:' .. webhook,
	p .. 'dvx:' .. webhook, p .. 'at:' .. webhook, p .. 'st:' .. webhook)
for _, kind in ipairs({ 'q:', 'rt:', 'rq:', 'dv:', 'dvx:', 'at:', 'st:' }) do
	redis.call('UNLINK', p .. 'damaged:' .. kind .. webhook) -- if it was set aside
end
if let_some_go(tenant, webhook) then
	redis.call('SADD', p .. 'gone:' .. tenant, webhook)
	redis.call('ZADD', p .. 'tenants', int(now_ms()), tenant)
end
redis.call('PUBLISH', CHANGES, 'webhook ' .. webhook)
return 'ok'
