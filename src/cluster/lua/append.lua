-- Keeps what is new in logs, and passes on to other nodes what was kept.
-- KEYS    the set of the ids of this birth that have not ended, then for each generation its hash and its
--         stream
-- ARGV[1] JSON: one list for each generation:
--         [id, epoch, from, seq, ms to live, end ('' = goes on), state (JSON), channels of the nodes that
--          follow it, it begins: what is said next is its first entry]
-- ARGV    then for each generation its items (JSON list, '' = none)
-- Returns for each generation: "ok", "dup" or "gap" with the last seq that is kept, "gone" (also where a
-- part of it is), "fenced"
-- Only numbers that follow what is kept are accepted, and only from the owner: a command that was sent
-- twice, or too late, or by a node that was taken for dead, changes nothing.
local answers, messages, channels = {}, {}, {}

local function pass_on(id, items, state, followers)
  local said = items
  if state ~= '' then
    local told = '["s",' .. state .. ']'
    said = items == '' and '[' .. told .. ']' or '[' .. told .. ',' .. string.sub(items, 2)
  end
  for _, channel in ipairs(followers) do
    if not messages[channel] then
      messages[channel] = {}
      channels[#channels + 1] = channel
    end
    table.insert(messages[channel], '["' .. id .. '",' .. said .. ']')
  end
end

-- Returns whether what it follows is there: a Redis that is full may have forgotten the stream alone.
local function add(stream, top, last, items)
  if top == 0 then return redis.call('XADD', stream, last, 'd', items) end
  return redis.call('XADD', stream, 'NOMKSTREAM', last, 'd', items)
end

for at, one in ipairs(cjson.decode(ARGV[1])) do
  local hash, stream, items = KEYS[2 * at], KEYS[2 * at + 1], ARGV[at + 1]
  local id, epoch, from, seq, ttl, ending, state, followers, begins = unpack(one)
  local kept = redis.call('HMGET', hash, 'epoch', 'seq', 'end')
  local top = tonumber(kept[2])
  if not kept[1] then
    answers[at] = 'gone'
  elseif tonumber(kept[1]) ~= epoch then
    answers[at] = 'fenced'
  elseif items ~= '' and seq <= top then
    answers[at] = 'dup ' .. top
  elseif items ~= '' and (kept[3] or from ~= top + 1) then
    answers[at] = 'gap ' .. top
  elseif items ~= '' and not add(stream, top, epoch .. '-' .. string.format('%.0f', seq), items) then
    redis.call('DEL', hash)
    answers[at] = 'gone'
  else
    local fields = {}
    if items ~= '' then
      local last = string.format('%.0f', seq)
      fields = { 'seq', last }
      -- Between its first entry and its end it lives on as long as it may run.
      if from == 1 or ending ~= '' then
        redis.call('PEXPIRE', stream, ttl)
        redis.call('PEXPIRE', hash, ttl)
      end
    end
    if state ~= '' then
      fields[#fields + 1] = 'state'
      fields[#fields + 1] = state
    end
    if ending ~= '' then
      fields[#fields + 1] = 'end'
      fields[#fields + 1] = ending
      redis.call('SREM', KEYS[1], id)
    end
    if #fields > 0 then redis.call('HSET', hash, unpack(fields)) end
    -- What has begun is not begun anew: its request is not needed any more.
    if begins or (items ~= '' and from == 1) then redis.call('HDEL', hash, 'request') end
    pass_on(id, items, state, followers)
    answers[at] = 'ok'
  end
end
for _, channel in ipairs(channels) do
  redis.call('SPUBLISH', channel, '[' .. table.concat(messages[channel], ',') .. ']')
end
return answers
