#!lua flags=allow-oom
-- Ends deliveries whose events cannot be read, or are nowhere: they would be claimed for ever.
-- ARGV: queue (a webhook, or that and ":alert"), tenant, --attempts-kept, end of their leases, n
--       locators, n records of attempts that were not made.
-- Returns how many were ended: those whose lease still is the caller's.
local queue, tenant, n = ARGV[1], ARGV[2], (#ARGV - 4) / 2
local webhook = string.sub(queue, 1, 26)
local head = record_head(int(now_ms()), 'failed', '0')
local scores = redis.call('ZMSCORE', p .. 'q:' .. queue, unpack(ARGV, 5, 4 + n))
local gone, records, k = {}, {}, 0
for i = 1, n do
	if scores[i] and tonumber(scores[i]) == tonumber(ARGV[4]) then
		k = k + 1
		gone[k] = ARGV[4 + i]
		records[k] = head .. ARGV[4 + n + i]
	end
end
if k > 0 then
	need('ZREM', 'HDEL', 'RPUSH', 'LTRIM', 'HINCRBY', 'HSET', unpack(LETTING_GO))
	redis.call('ZREM', p .. 'q:' .. queue, unpack(gone))
	redis.call('HDEL', p .. 'rt:' .. queue, unpack(gone))
	redis.call('ZREM', p .. 'rq:' .. queue, unpack(gone))
	if queue == webhook then
		let_go(tenant, webhook, gone)
		attempted(webhook, ARGV[3], records)
		count(webhook, 'failed', k)
		redis.call('HSET', p .. 'st:' .. webhook, 'lastFailedAt', int(now_ms()))
	end
end
return k
