-- Writes the schema version and the number of shards at the first start, and returns what counts.
-- ARGV: schema, shards.
local meta = 'evhook:meta'
redis.call('HSETNX', meta, 'schema', ARGV[1])
redis.call('HSETNX', meta, 'shards', ARGV[2])
return redis.call('HMGET', meta, 'schema', 'shards')
