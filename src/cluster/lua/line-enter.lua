-- Starts a ticket, puts it in line, or refuses it.
-- ARGV[2] ticket; ARGV[3] JSON {u, x, c, p, s, t, r}
-- Returns JSON {refusal} or {position, started: [[ticket, upstream], ...], a, o, wake}
local id, ticket = ARGV[2], cjson.decode(ARGV[3])

local function is_full()
  if settings.queuePerUser > 0 and user_count(':q', ticket.u) >= settings.queuePerUser then
    return 'rate_limited'
  end
  for _, account in ipairs(ticket.x or {}) do
    if account[3] > 0 and user_count(':q', account[1]) >= account[3] then return 'rate_limited' end
  end
  if redis.call('HLEN', base .. ':t') >= settings.maxQueue then return 'queue_full' end
end

local function can_start()
  if not is_open() or not may_run(ticket) then return false end
  for _, slot in ipairs(settings.slots) do
    if has(ticket.c, slot[1]) and running(slot[1]) < slot[2] then return true end
  end
  return false
end

local refused = not ticket.r and is_full()
if refused and can_start() then
  -- It has no place in which it could be patient.
  refused, ticket.e = nil, 0
end
if refused then return cjson.encode({ refusal = refused }) end
ticket.n = settings.node
ticket.a = redis.call('HINCRBY', base .. ':c', 'no', 1)
ticket.o = {}
wait(id, ticket)
dispatch()
return entered(id, ticket)
