-- One page of a tenant's webhooks, in the order of their locators.
-- ARGV: tenant, the last locator of the page before ('' to begin), how many, '1' with counters.
-- Returns {webhook, its hash, its counters, pending, diverted, …}.
local from = ARGV[2] == '' and '-' or '(' .. ARGV[2]
local page = redis.call('ZRANGE', p .. 'whs:' .. ARGV[1], from, '+', 'BYLEX', 'LIMIT', 0, ARGV[3])
local out = {}
for _, webhook in ipairs(page) do
	local n = #out
	out[n + 1] = webhook
	out[n + 2] = redis.call('HGETALL', p .. 'wh:' .. webhook)
	if ARGV[4] == '1' then
		out[n + 3] = redis.call('HGETALL', p .. 'st:' .. webhook)
		out[n + 4] = redis.call('ZCARD', p .. 'q:' .. webhook)
		out[n + 5] = redis.call('HLEN', p .. 'dv:' .. webhook)
	else
		out[n + 3], out[n + 4], out[n + 5] = {}, 0, 0
	end
end
return out
