#!lua flags=allow-oom
-- Puts the queues of a shard into its wake-up index, as one that was damaged was set aside; some at a
-- step.  A time in it may be early.
-- ARGV: cursor ('0' to begin).
-- Returns the cursor to go on with ('0' at the end).
local page = redis.call('SCAN', ARGV[1], 'MATCH', p .. 'q:*', 'COUNT', 1000)
for _, key in ipairs(page[2]) do
	wake(string.sub(key, #p + 3), 0)
end
if page[1] == '0' then
	redis.call('ZREM', p .. 'due', UNFINISHED)
end
return page[1]
