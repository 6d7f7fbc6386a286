-- An idempotency key that stands for a generation which is lost stands for another one from now on.
-- KEYS[1] the key; ARGV[1] what it held when it was looked at, ARGV[2] what it is to hold, ARGV[3] for how many ms
-- Returns 1, or 0 where somebody was faster
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
