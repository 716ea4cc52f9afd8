#!lua flags=allow-oom
-- It writes nothing, but does not say so in its flags: then a Redis that became a replica refuses it,
-- and an idle instance learns of that too.
-- When each shard has work: one look for all of them.
-- ARGV: prefixes of the shards.
-- Returns {now, time of the earliest queue of each shard ('' for none), …}.
local out = { int(now_ms()) }
for i = 1, #ARGV do
	local first = redis.call('ZRANGE', ARGV[i] .. 'due', 0, 0, 'WITHSCORES')
	out[#out + 1] = first[2] or ''
end
return out
