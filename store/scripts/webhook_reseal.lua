-- Replaces the stored form of a webhook, unless it was written meanwhile.  The webhook stays the
-- same, so its version does too.
-- ARGV: webhook, doc and secrets as they were read, doc and secrets as they are to be.
-- Returns 1 or 0.
local key = p .. 'wh:' .. ARGV[1]
local old = redis.call('HMGET', key, 'doc', 'secrets')
if old[1] ~= ARGV[2] or old[2] ~= ARGV[3] then
	return 0
end
redis.call('HSET', key, 'doc', ARGV[4], 'secrets', ARGV[5])
return 1
