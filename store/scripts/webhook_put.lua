-- Writes a webhook if its stored version is the one that the caller has changed.
-- ARGV: tenant, webhook, version it must have (0: new), --max-webhooks, enabled 1 or 0,
--       suspendedAt ms or 0, createdAt, updatedAt, doc, secrets, its subscriptions with spaces,
--       its fate: "divert" or "drop", and " alert" when it has an alertEndpoint.
-- Returns {'ok', version}, {'missing'}, {'stale'} or {'limit'}.
local tenant, webhook, expected = ARGV[1], ARGV[2], ARGV[3]
local key, list = p .. 'wh:' .. webhook, p .. 'whs:' .. tenant
local old = redis.call('HMGET', key, 'tenant', 'version', 'subs')
if expected == '0' then
	if old[1] then
		return { 'stale' }
	end
	if redis.call('ZCARD', list) >= tonumber(ARGV[4]) then
		return { 'limit' }
	end
else
	if old[1] ~= tenant then
		return { 'missing' }
	end
	if old[2] ~= expected then
		return { 'stale' }
	end
	redis.call('ZCARD', list) -- a damaged one ends this before anything is written
end

need('HDEL', 'HSET', 'ZADD', 'EXISTS')
need_channel()
local version = int(expected + 1)
local enabled, suspended_at = ARGV[5], ARGV[6]
local subs = p .. 'sub:' .. tenant .. ':'
for pattern in string.gmatch(old[3] or '', '%S+') do
	redis.call('HDEL', subs .. pattern, webhook)
end
if enabled == '1' then
	subscribe(tenant, webhook, ARGV[11], version, suspended_at ~= '0', ARGV[12])
end
redis.call('HSET', key, 'tenant', tenant, 'version', version, 'enabled', enabled,
	'suspendedAt', suspended_at, 'createdAt', ARGV[7], 'updatedAt', ARGV[8], 'doc', ARGV[9],
	'secrets', ARGV[10], 'subs', ARGV[11], 'fate', ARGV[12])
redis.call('ZADD', list, 0, webhook)
if redis.call('EXISTS', p .. 'q:' .. webhook) == 1 then
	wake(webhook, int(now_ms()))
end
redis.call('PUBLISH', CHANGES, 'webhook ' .. webhook)
return { 'ok', version }
