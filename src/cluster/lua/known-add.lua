-- An upstream has just processed these prefixes.
-- KEYS[1]  sorted set of an upstream: digest by the time of its last use, in µs
-- ARGV[1]  most that are remembered; ARGV[2] for how many ms; ARGV[3…] the digests
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
for at = 3, #ARGV do redis.call('ZADD', KEYS[1], now, ARGV[at]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2] * 1000)
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
