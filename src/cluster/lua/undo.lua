-- Takes back what `open` has done for starts that were refused: nothing was said of them.
-- KEYS    the set of the ids of this birth that have not ended, then the hash of each generation
-- ARGV    the node that has refused them, then the id of each
-- Leaves alone what another node has taken over, and what has an entry.
for at = 2, #KEYS do
  local owner, seq = unpack(redis.call('HMGET', KEYS[at], 'owner', 'seq'))
  if owner == ARGV[1] and seq == '0' then
    redis.call('DEL', KEYS[at])
    redis.call('SREM', KEYS[1], ARGV[at])
  end
end
return 1
