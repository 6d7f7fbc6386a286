-- A node tells of tickets that the line does not know (any more): those that hold a slot, and those
-- that wait, with the places that they had.
-- ARGV[2] JSON: [[ticket, {u, x, c, p, s, t, r, a, o}, upstream or false], ...]
-- Returns JSON {started, wake}
for _, told in ipairs(cjson.decode(ARGV[2])) do
  local id, ticket, up = told[1], told[2], told[3]
  local known = redis.call('HEXISTS', base .. ':t', id) == 1 or redis.call('HEXISTS', base .. ':h', id) == 1
  ticket.n = settings.node
  if not known and up then
    hold(id, ticket, up)
  elseif not known then
    if ticket.a > count('no') then redis.call('HSET', base .. ':c', 'no', ticket.a) end
    wait(id, ticket)
  end
end
dispatch()
return answer({})
