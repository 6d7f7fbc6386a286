-- Makes a generation known to all nodes, or keeps it known; again after Redis has lost it.
-- KEYS[1] its hash, KEYS[2] the set of the node's ids that have not ended, KEYS[3] its stream
-- ARGV[1] epoch of who asks, ARGV[2] ms that it lives, ARGV[3] id, then fields and values of the hash
-- Returns 1, or 0 where another node has taken it over
local epoch = tonumber(redis.call('HGET', KEYS[1], 'epoch'))
if epoch and epoch > tonumber(ARGV[1]) then return 0 end
if not epoch then
  -- What is left of the one that was lost would stand before what is written again.
  redis.call('DEL', KEYS[3])
  redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'seq', 0, unpack(ARGV, 4))
  redis.call('SADD', KEYS[2], ARGV[3])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], 86400000 * 2)
return 1
