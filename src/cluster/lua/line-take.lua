-- Takes over a ticket of another node: it keeps its place. One that had its turn there, or that the line
-- has lost, goes before all others.
-- ARGV[2] ticket here; ARGV[3] JSON {u, x, c, p, s, t}; ARGV[4] that node; ARGV[5] what its ticket there begins with
-- Returns JSON {position, started: [[ticket, upstream], ...], a, o, wake}
local id, ticket, place = ARGV[2], cjson.decode(ARGV[3]), nil
for _, old in ipairs(redis.call('SMEMBERS', base .. ':n:' .. ARGV[4])) do
  if string.sub(old, 1, #ARGV[5]) == ARGV[5] then
    place = ticket_of(old) or place
    leave(old)
  end
end
ticket.n = settings.node
if place then
  ticket.a, ticket.o, ticket.r = place.a, place.o, place.r
else
  ticket.a, ticket.o, ticket.r = redis.call('HINCRBY', base .. ':c', 'no', 1), {}, true
end
wait(id, ticket)
dispatch()
return entered(id, ticket)
