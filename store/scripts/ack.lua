#!lua flags=allow-oom
-- Ends deliveries of one webhook that were answered with 2xx: delivered is delivered, whatever the
-- lease says by now.
-- ARGV: webhook, tenant, --attempts-kept, n locators, n records of their attempts.
-- Returns how many were still owed.
local webhook, n = ARGV[1], (#ARGV - 3) / 2
local queue = p .. 'q:' .. webhook
local now = int(now_ms())
local head = record_head(now, 'delivered', '0')
local scores = redis.call('ZMSCORE', queue, unpack(ARGV, 4, 3 + n))
local gone, records, k = {}, {}, 0
for i = 1, n do
	if scores[i] then
		k = k + 1
		gone[k] = ARGV[3 + i]
		records[k] = head .. ARGV[3 + n + i]
	end
end
if k > 0 then
	need('ZREM', 'HDEL', 'RPUSH', 'LTRIM', 'HINCRBY', 'HSET', unpack(LETTING_GO))
	redis.call('ZREM', queue, unpack(gone))
	if redis.call('HDEL', p .. 'rt:' .. webhook, unpack(gone)) > 0 then
		redis.call('ZREM', p .. 'rq:' .. webhook, unpack(gone))
	end
	let_go(ARGV[2], webhook, gone)
	attempted(webhook, ARGV[3], records)
	redis.call('HINCRBY', p .. 'st:' .. webhook, 'delivered', k)
	redis.call('HSET', p .. 'st:' .. webhook, 'lastDeliveredAt', now)
end
return k
