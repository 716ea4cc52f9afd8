#!lua flags=allow-oom
-- Ends deliveries of one webhook that were answered with 2xx: delivered is delivered, whatever the
-- lease says by now.
-- ARGV: webhook, --attempts-kept, and for each: locator, attempt, type, status, ms, answer's text.
-- Returns how many were still owed.
local webhook = ARGV[1]
if redis.call('EXISTS', p .. 'wh:' .. webhook) == 0 then
	return 0
end
local gone = {}
for i = 3, #ARGV, 6 do
	if redis.call('ZREM', p .. 'q:' .. webhook, ARGV[i]) == 1 then
		gone[#gone + 1] = ARGV[i]
		local record = { 'event', ARGV[i], 'type', ARGV[i + 2], 'attempt', ARGV[i + 1],
			'outcome', 'delivered', 'status', ARGV[i + 3], 'ms', ARGV[i + 4] }
		if ARGV[i + 5] ~= '' then
			record[#record + 1] = 'response'
			record[#record + 1] = ARGV[i + 5]
		end
		attempt(webhook, ARGV[2], record)
	end
end
if gone[1] then
	-- trimming makes copies before the first try too
	redis.call('HDEL', p .. 'rt:' .. webhook, unpack(gone))
	redis.call('HINCRBY', p .. 'st:' .. webhook, 'delivered', #gone)
	redis.call('HSET', p .. 'st:' .. webhook, 'lastDeliveredAt', int(now_ms()))
end
return #gone
