#!lua flags=allow-oom
-- Writes what must never change at the first start, and returns what counts.
-- ARGV: schema, shards, the ids of the keys for secrets (the first is the one that seals).
-- Returns {schema, shards, the key that sealed last or false, 1 if it is one of these or none, else 0}.
local meta = 'evhook:meta'
redis.call('HSETNX', meta, 'schema', ARGV[1])
redis.call('HSETNX', meta, 'shards', ARGV[2])
local stored = redis.call('HMGET', meta, 'schema', 'shards', 'secretsKey')
local fits = stored[3] and 0 or 1
for i = 3, #ARGV do
	if ARGV[i] == stored[3] then
		fits = 1
	end
end
-- schema 2 reads what 1 wrote
if fits == 1 and stored[1] == '1' and stored[2] == ARGV[2] then
	redis.call('HSET', meta, 'schema', ARGV[1])
	stored[1] = ARGV[1]
end
if fits == 1 and ARGV[3] and stored[1] == ARGV[1] and stored[2] == ARGV[2] then
	redis.call('HSET', meta, 'secretsKey', ARGV[3])
end
return { stored[1], stored[2], stored[3], fits }
