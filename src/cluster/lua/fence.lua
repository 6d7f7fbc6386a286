-- Takes over a generation whose node is lost: after it nothing of the old owner is accepted.
-- KEYS[1] its hash; ARGV[1] the epoch that was seen, ARGV[2] the node that takes over
-- Returns the new epoch; -3 it is gone, -1 it has ended, -2 another node was faster
local seen = redis.call('HMGET', KEYS[1], 'epoch', 'end')
if not seen[1] then return -3 end
if seen[2] then return -1 end
if seen[1] ~= ARGV[1] then return -2 end
redis.call('HSET', KEYS[1], 'owner', ARGV[2])
return redis.call('HINCRBY', KEYS[1], 'epoch', 1)
