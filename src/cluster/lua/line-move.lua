-- The candidates of waiting tickets have changed; where they stand already they keep their places.
-- ARGV[2] JSON: [[ticket, candidates, preferred], ...]
-- Returns JSON {started, wake}
for _, change in ipairs(cjson.decode(ARGV[2])) do
  local id, candidates, preferred = change[1], change[2], change[3]
  local ticket = ticket_of(id)
  if ticket then
    local lines = #candidates > 0 and candidates or { NOBODY }
    for up in pairs(ticket.o) do
      if not has(lines, up) then
        redis.call('ZREM', base .. ':w:' .. up, member(id, ticket))
        ticket.o[up] = nil
      end
    end
    ticket.c, ticket.p = candidates, preferred
    stand_for_all(id, ticket)
  end
end
dispatch()
return answer({})
