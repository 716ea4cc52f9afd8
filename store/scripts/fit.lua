#!lua flags=no-writes,allow-oom
-- Whether this Redis will do: the rights that this user lacks, and what is stored in evhook:meta.  At
-- each connect and every few seconds.  It changes nothing, so it is answered also while writing is
-- refused.
-- ARGV: further commands that are needed, with their arguments after blanks.
-- Returns {the missing rights as ACL rules with blanks between them, '' for none, schema, shards, the
-- key that sealed last}, the last three false where there are none.
p = 'evhook:{0}:' -- not from KEYS: the right to that key may be what is missing
local meta, probe = 'evhook:meta', p .. 'probe' -- a key that is never there
-- What the scripts call, each with all arguments that it wants: Redis 7.0 reads beyond the end of too
-- few of them when it looks for the keys.
local on_keys = { 'EXISTS', 'GET', 'HDEL 1', 'HEXISTS 1', 'HGET 1', 'HGETALL', 'HINCRBY 1 1', 'HLEN', 'HMGET 1', 'HSET 1 1',
	'HSETNX 1 1', 'HSTRLEN 1', 'LLEN', 'LRANGE 1 1', 'LTRIM 1 1', 'PEXPIRE 1', 'PTTL',
	'RENAME ' .. probe, 'RPUSH 1', 'SADD 1', 'SET 1', 'SMISMEMBER 1', 'SPOP 1', 'SRANDMEMBER', 'SREM 1', 'UNLINK',
	'XADD * 1 1', 'XDEL 1', 'XLEN', 'XRANGE - +', 'XTRIM MINID 1', 'ZADD 1 1', 'ZCARD', 'ZCOUNT 1 1', 'ZINCRBY 1 1',
	'ZMSCORE 1', 'ZRANGE 1 1', 'ZREM 1', 'ZREVRANGE 1 1',
	'ZSCAN 0', 'ZSCORE 1' }
local others = { 'SCRIPT LOAD 1', 'INFO', 'SCAN 0', 'TIME', unpack(ARGV) }
local missing = {}

local function words_of(text)
	local words = {}
	for word in string.gmatch(text, '%S+') do
		words[#words + 1] = word
	end
	return words
end

local function may(words)
	local known, allowed = pcall(redis.acl_check_cmd, unpack(words))
	return known and allowed
end

local function lack(right)
	missing[right] = missing[right] or #missing + 1
	missing[missing[right]] = right
end

-- Whether it may use the keys.  Asked with a command that it may run, as this is one; so that a refusal
-- is about the keys.  It reads and writes, in Redis' eyes.
local keys_are_its = may({ 'EVALSHA', '', '2', probe, meta }) or may({ 'EVAL', '', '2', probe, meta })

for _, text in ipairs(on_keys) do
	local words = words_of(text)
	for _, key in ipairs({ probe, meta }) do
		if not may({ words[1], key, unpack(words, 2) }) then
			lack(keys_are_its and '+' .. string.lower(words[1]) or '~evhook:*')
		end
	end
end

-- Where both are refused there is only Redis' wording, which is another in each version, of what PUBLISH
-- is refused for.  It is not run: it is refused.
local may_publish, may_listen = may({ 'PUBLISH', CHANGES, '1' }), may({ 'SUBSCRIBE', CHANGES })
if not may_publish and not may_listen then
	local said = redis.pcall('PUBLISH', CHANGES, '1')
	local text = type(said) == 'table' and said.err or ''
	local of_command = string.find(text, "can't run this command", 1, true)
		or string.find(text, "no permissions to run the '", 1, true)
	if not of_command then
		lack('&' .. CHANGES)
	end
	if string.find(text, 'channel', 1, true) then -- else nobody knows: all are named
		may_publish, may_listen = true, true
	end
end
if not may_publish then
	lack('+publish')
end
if not may_listen then
	lack('+subscribe')
end
for _, text in ipairs(others) do
	local words = words_of(text)
	if not may(words) then
		lack('+' .. string.lower(words[1] .. (words[1] == 'SCRIPT' and '|' .. words[2] or '')))
	end
end
if missing[1] then
	return { table.concat(missing, ' ') }
end
local stored = redis.call('HMGET', meta, 'schema', 'shards', 'secretsKey')
return { '', stored[1], stored[2], stored[3] }
