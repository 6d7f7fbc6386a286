-- What the scripts of the waiting line share; each of them follows this text. The policy is the one of
-- docs/architecture.md, "The waiting line".
--
-- KEYS[1]  the line's name; all of its keys begin with it and share its hash tag, so they lie in one slot
-- ARGV[1]  JSON: node (who calls), bus (prefix of the nodes' channels), slots ([[upstream, slots], ...]),
--          maxQueue, perUser (most running of a user, 0 = no limit), queuePerUser (0 = no limit),
--          noticeable (a smaller difference between two upstreams is none, ms)
--
-- :t   hash  ticket -> JSON {u: user, x: accounts [[name, most running, most waiting], ...] (0 = no limit),
--            n: node, c: candidates, p: preferred ones, a: arrival number, r: it is a retry,
--            o: {upstream: round}, s: what upstreams save [[upstream, ms], ...] or absent,
--            t: ms for which one like it holds a slot, or absent,
--            e: when its patience ends (ms), absent as long as it did not begin}; those that wait
-- :h   hash  ticket -> JSON {u, x, n, up}; those that hold a slot
-- :n:<node>  set of the tickets of a node, waiting or holding
-- :w:<up>    sorted set of "arrival:ticket" by round; "-" stands for no upstream
-- :l:<up>, :s:<up>  sorted sets user -> round of the newest place, and of the newest served one
-- :ru, :q    hashes user or account -> how many run, and wait
-- :c   hash  i (incarnation of the line), opens (ms), no (arrivals), round:<up>, run:<up>

local base, settings = KEYS[1], cjson.decode(ARGV[1])
local NOBODY = '-'
-- Tickets that are looked at in one step.
local STEP = 50
local own = {}
-- In how many milliseconds the first patience ends that was met; nil where none was.
local wake

local function number(value) return tonumber(value) or 0 end
local function count(field) return number(redis.call('HGET', base .. ':c', field)) end
local function user_count(key, user) return number(redis.call('HGET', base .. key, user)) end

local function add_to(key, field, by)
  local left = redis.call('HINCRBY', base .. key, field, by)
  if left <= 0 then redis.call('HDEL', base .. key, field) end
  return left
end

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function is_open()
  return redis.call('HEXISTS', base .. ':c', 'i') == 1 and now() >= count('opens')
end

-- Who it is counted for: its user, and its accounts.
local function names_of(ticket)
  local names = { ticket.u }
  for _, account in ipairs(ticket.x or {}) do names[#names + 1] = account[1] end
  return names
end

local function may_run(ticket)
  if settings.perUser > 0 and user_count(':ru', ticket.u) >= settings.perUser then return false end
  for _, account in ipairs(ticket.x or {}) do
    if account[2] > 0 and user_count(':ru', account[1]) >= account[2] then return false end
  end
  return true
end

local function running(up) return count('run:' .. up) end

local function has(list, wanted)
  for _, one in ipairs(list) do if one == wanted then return true end end
  return false
end

local function ticket_of(id)
  local text = redis.call('HGET', base .. ':t', id)
  return text and cjson.decode(text)
end

local function keep(id, ticket) redis.call('HSET', base .. ':t', id, cjson.encode(ticket)) end

-- Sixteen characters before the id, so that in one round the earlier arrival comes first.
local function member(id, ticket) return string.format('%015d:%s', ticket.a, id) end

-- Gives it a place before an upstream, or the place that it had.
local function stand(id, ticket, up)
  local round = ticket.o[up]
  if round == nil then
    if ticket.r then
      round = 0
    else
      local newest = number(redis.call('ZSCORE', base .. ':l:' .. up, ticket.u))
      round = math.max(1, count('round:' .. up), newest + 1)
    end
  end
  ticket.o[up] = round
  if round > 0 then redis.call('ZADD', base .. ':l:' .. up, 'GT', round, ticket.u) end
  redis.call('ZADD', base .. ':w:' .. up, round, member(id, ticket))
end

local function stand_for_all(id, ticket)
  for _, up in ipairs(#ticket.c > 0 and ticket.c or { NOBODY }) do stand(id, ticket, up) end
  keep(id, ticket)
end

-- Takes it out of the line. Of a user of whom nothing waits any more, what was never served counts no more.
local function forget(id, ticket)
  for up in pairs(ticket.o) do redis.call('ZREM', base .. ':w:' .. up, member(id, ticket)) end
  redis.call('HDEL', base .. ':t', id)
  for _, name in ipairs(names_of(ticket)) do add_to(':q', name, -1) end
  if user_count(':q', ticket.u) > 0 then return end
  local ups = { NOBODY }
  for _, slot in ipairs(settings.slots) do ups[#ups + 1] = slot[1] end
  for _, up in ipairs(ups) do
    local served = redis.call('ZSCORE', base .. ':s:' .. up, ticket.u)
    if served then
      redis.call('ZADD', base .. ':l:' .. up, served, ticket.u)
    else
      redis.call('ZREM', base .. ':l:' .. up, ticket.u)
    end
  end
end

local function hold(id, ticket, up)
  redis.call('HSET', base .. ':h', id, cjson.encode({ u = ticket.u, x = ticket.x, n = ticket.n, up = up }))
  redis.call('SADD', base .. ':n:' .. ticket.n, id)
  add_to(':c', 'run:' .. up, 1)
  for _, name in ipairs(names_of(ticket)) do add_to(':ru', name, 1) end
end

local function wait(id, ticket)
  redis.call('SADD', base .. ':n:' .. ticket.n, id)
  for _, name in ipairs(names_of(ticket)) do add_to(':q', name, 1) end
  stand_for_all(id, ticket)
end

-- Gives back its slot, or its place. Returns whether there was one.
local function leave(id)
  local ticket = ticket_of(id)
  if ticket then
    forget(id, ticket)
    redis.call('SREM', base .. ':n:' .. ticket.n, id)
    return true
  end
  local text = redis.call('HGET', base .. ':h', id)
  if not text then return false end
  local holder = cjson.decode(text)
  redis.call('HDEL', base .. ':h', id)
  redis.call('SREM', base .. ':n:' .. holder.n, id)
  add_to(':c', 'run:' .. holder.up, -1)
  for _, name in ipairs(names_of(holder)) do add_to(':ru', name, -1) end
  return true
end

local function slots_of(up)
  for _, slot in ipairs(settings.slots) do if slot[1] == up then return slot[2] end end
  return 0
end

-- What an upstream saves a ticket, in milliseconds.
local function saved_by(ticket, up)
  for _, one in ipairs(ticket.s or {}) do if one[1] == up then return one[2] end end
  return 0
end

-- How long an upstream will probably have no slot for a ticket that stands before it, in milliseconds.
local function wait_for(up, id, ticket)
  local rank = redis.call('ZRANK', base .. ':w:' .. up, member(id, ticket))
  if not rank then return math.huge end
  local slots = slots_of(up)
  local turns = rank + 1 - (slots - running(up))
  if turns <= 0 then return 0 end
  return (ticket.t or 0) * turns / slots
end

-- Whether a ticket passes a free slot for now: see patience.ts.
local function passes(id, ticket, up)
  if not ticket.s or ticket.r then return false end
  local at = now()
  if ticket.e and at >= ticket.e then return false end
  local here = saved_by(ticket, up)
  for _, one in ipairs(ticket.s) do
    local other, gain = one[1], one[2] - here
    if gain >= settings.noticeable and wait_for(other, id, ticket) <= gain
      and (has(ticket.p, other) or not has(ticket.p, up)) then
      if not ticket.e then
        ticket.e = at + math.ceil(gain)
        keep(id, ticket)
      end
      wake = math.min(wake or math.huge, ticket.e - at)
      return true
    end
  end
  return false
end

-- The first for this upstream whose user may run, and who does not pass it.
local function next_of(up)
  local from = 0
  while true do
    local members = redis.call('ZRANGE', base .. ':w:' .. up, from, from + STEP - 1)
    if #members == 0 then return nil end
    for _, one in ipairs(members) do
      local id = string.sub(one, 17)
      local ticket = ticket_of(id)
      if ticket and may_run(ticket) and not passes(id, ticket, up) then return id, ticket end
    end
    from = from + STEP
  end
end

local function start(id, ticket, up)
  for line, round in pairs(ticket.o) do
    if round > count('round:' .. line) then redis.call('HSET', base .. ':c', 'round:' .. line, round) end
    if round > 0 then redis.call('ZADD', base .. ':s:' .. line, 'GT', round, ticket.u) end
    -- Whose newest turn lies before the round stands as one who never came.
    local over = '(' .. count('round:' .. line)
    redis.call('ZREMRANGEBYSCORE', base .. ':s:' .. line, '-inf', over)
    redis.call('ZREMRANGEBYSCORE', base .. ':l:' .. line, '-inf', over)
  end
  forget(id, ticket)
  hold(id, ticket, up)
  if ticket.n == settings.node then
    own[#own + 1] = { id, up }
  else
    redis.call('PUBLISH', settings.bus .. ticket.n, cjson.encode({ op = 'slot', id = id, up = up }))
  end
end

-- Of the free upstreams for which it is next the best one: a preferred one, of these one that saves
-- most, then the least busy.
local function best_for(id, ticket)
  local free, preferred = {}, {}
  for _, slot in ipairs(settings.slots) do
    local up = slot[1]
    if ticket.o[up] and running(up) < slot[2] and next_of(up) == id then
      free[#free + 1] = slot
      if has(ticket.p, up) then preferred[#preferred + 1] = slot end
    end
  end
  local able = #preferred > 0 and preferred or free
  local most = 0
  for _, slot in ipairs(able) do most = math.max(most, saved_by(ticket, slot[1])) end
  local best, best_load
  for _, slot in ipairs(able) do
    local load = running(slot[1]) / slot[2]
    if saved_by(ticket, slot[1]) > most - settings.noticeable and (best == nil or load < best_load) then
      best, best_load = slot[1], load
    end
  end
  return best
end

local function start_next()
  for _, slot in ipairs(settings.slots) do
    if running(slot[1]) < slot[2] then
      local id, ticket = next_of(slot[1])
      if id then
        start(id, ticket, best_for(id, ticket))
        return true
      end
    end
  end
  return false
end

-- Gives every free slot to whoever is next.
local function dispatch()
  if not is_open() then return end
  while start_next() do end
end

-- Its best position, 1 is next; 0 if it does not wait.
local function position(id, ticket)
  local best = 0
  for up in pairs(ticket.o) do
    local rank = redis.call('ZRANK', base .. ':w:' .. up, member(id, ticket))
    if rank and (best == 0 or rank + 1 < best) then best = rank + 1 end
  end
  return best
end

-- What is answered, with what each answer says: what was started here, and when to call again.
local function answer(fields)
  fields.started, fields.wake = own, wake
  return cjson.encode(fields)
end

-- What is answered to whoever entered: its position, 0 = started, and its place.
local function entered(id, ticket)
  local waiting = ticket_of(id)
  return answer({ position = waiting and position(id, waiting) or 0, a = ticket.a, o = ticket.o })
end
