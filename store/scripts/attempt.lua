#!lua flags=allow-oom
-- Records an attempt that no queue knows of: a test event's.
-- ARGV: webhook, --attempts-kept, locator, type, outcome, status, ms, trigger, message, answer's text.
-- Returns 1, or 0 when the webhook is gone.
local webhook = ARGV[1]
if redis.call('EXISTS', p .. 'wh:' .. webhook) == 0 then
	return 0
end
local record = { 'event', ARGV[3], 'type', ARGV[4], 'attempt', '1', 'outcome', ARGV[5],
	'status', ARGV[6], 'ms', ARGV[7] }
for i, name in ipairs({ 'trigger', 'message', 'response' }) do
	if ARGV[7 + i] ~= '' then
		record[#record + 1] = name
		record[#record + 1] = ARGV[7 + i]
	end
end
attempt(webhook, ARGV[2], record)
return 1
