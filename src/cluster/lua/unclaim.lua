-- Frees an idempotency key.
-- KEYS[1] the key; ARGV[1] what it is to hold: else it stands for something else by now
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
