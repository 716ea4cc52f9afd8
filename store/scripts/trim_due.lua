#!lua flags=allow-oom
-- The tenants whose streams are to be trimmed now, one of each shard at most; the next time is set.
-- ARGV: ms until the next time, prefixes of the shards.
-- Returns their locators.
local now = now_ms()
local out = {}
for i = 2, #ARGV do
	local key = ARGV[i] .. 'tenants'
	local tenant = redis.call('ZRANGE', key, '-inf', now, 'BYSCORE', 'LIMIT', 0, 1)[1]
	if tenant then
		redis.call('ZADD', key, int(now + ARGV[1]), tenant)
		out[#out + 1] = tenant
	end
end
return out
