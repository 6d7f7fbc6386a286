-- A node is gone: its slots and places are free.
-- ARGV[2] that node
-- Returns JSON {started, waiting: [[ticket, {u, c, p, r, a, o}], ...]}, so that who takes over its
-- requests can put them where they stood
local waiting = {}
for _, id in ipairs(redis.call('SMEMBERS', base .. ':n:' .. ARGV[2])) do
  local ticket = ticket_of(id)
  if ticket then waiting[#waiting + 1] = { id, ticket } end
  leave(id)
end
dispatch()
return cjson.encode({ started = own, waiting = waiting })
