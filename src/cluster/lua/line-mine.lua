-- What the line knows of a node. A line that is new (Redis lost it) opens only when the nodes have had
-- the time to tell it what they hold.
-- ARGV[2] incarnation of a line that is new; ARGV[3] ms until it opens
-- Returns JSON {waiting: [[ticket, position], ...], held: [[ticket, upstream], ...], started, wake}
if redis.call('HSETNX', base .. ':c', 'i', ARGV[2]) == 1 then
  redis.call('HSET', base .. ':c', 'opens', now() + ARGV[3])
end
dispatch()
local waiting, held = {}, {}
for _, id in ipairs(redis.call('SMEMBERS', base .. ':n:' .. settings.node)) do
  local ticket = ticket_of(id)
  if ticket then
    waiting[#waiting + 1] = { id, position(id, ticket) }
  else
    local holder = redis.call('HGET', base .. ':h', id)
    if holder then held[#held + 1] = { id, cjson.decode(holder).up } end
  end
end
return answer({ waiting = waiting, held = held })
