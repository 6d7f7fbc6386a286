-- Says how long an idempotency key stands for a generation; 0 = no longer.
-- KEYS[1] the key; ARGV[1] the id of the generation, ARGV[2] ms
-- Leaves alone a key that stands for another generation by now.
local text = redis.call('GET', KEYS[1])
if text and cjson.decode(text).id == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
