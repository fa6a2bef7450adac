-- Any other case, with the library. Keys, arguments and answer are those that `usual.lua` names.
local made
local function m()
  made = made or moves()
  return made
end
local limit, lease, tag, fences, lost = tonumber(ARGV[5]) + 1, tonumber(ARGV[6]), ARGV[9], ARGV[10], ARGV[11]
local NAMED = sub(ARGV[7], 1, -$BUT_CLAIM_TAIL)
local runner, begin = sub(NAMED, $PAST_NAME_LENGTH), #ARGV[8] > #NAMED
local reason = '$DROP_REASON'
local META, FINISHED, BELL = P .. 'm', P .. 'f', P .. 'b'
call('ZCARD', KEYS[1])
call('HLEN', KEYS[2])
local names = {}
for i = 12, #ARGV do names[#names + 1] = ARGV[i] end
local every = #names == 0
if every then names = call('SMEMBERS', KEYS[3]) end
local heads, due, firsts = {}, {}, {}
for i, name in ipairs(names) do
  local scheduled = P .. 's:' .. name
  firsts[i] = call('ZRANGE', scheduled, '0', '0', 'WITHSCORES')
  if firsts[i][1] and tonumber(firsts[i][2]) <= now then
    due[i] = call('ZRANGEBYSCORE', scheduled, '-inf', string.format('%.0f', now), 'LIMIT', '0', '$MOST_LOOKED_AT')
    firsts[i] = nil
  end
  heads[name] = call('ZRANGE', P .. 'q:' .. name, '0', '0')[1] or false
  if tag ~= '' and not every then call('ZCARD', P .. 'b:' .. name) end
end
if tag ~= '' and every then call('ZCARD', BELL) end

local claims, dropped, owned, taken, found = {}, {}, {}, 0, 0

-- Arguments kept apart; or 1, if they are so large that the caller should fetch them without a script, which would look
-- at each byte of them.
-- False if they are gone, or no string.
local apart = {}
local function arguments(id)
  if apart[id] == nil then
    local key = P .. 'd:' .. id
    local size = redis.pcall('STRLEN', key)
    if type(size) == 'table' then size = #get_one(key) end
    apart[id] = size > 0 and (size < $LARGE and call('GET', key) or 1)
  end
  return apart[id]
end

local function give(id, raw, r)
  claims[#claims + 1] = id
  claims[#claims + 1] = raw
  claims[#claims + 1] = m().has(r, ARGS_APART) and arguments(id) or ''
end

if lost ~= '' then
  local mine = {}
  for i = 1, #lost, $FENCE_SIZE do mine[sub(lost, i, i + $FENCE_LAST)] = true end
  local all = call('HGETALL', KEYS[2])
  for i = 1, #all, 2 do
    local r, raw
    if mine[all[i + 1]] then r, raw = m().load(all[i]) end
    if r then
      give(all[i], raw, r)
      found = found + 1
    end
  end
end

for i, name in ipairs(names) do
  if due[i] then
    for _, member in ipairs(due[i]) do call('ZADD', P .. 'q:' .. name, '0', member) end
    call('ZREM', P .. 's:' .. name, spread(due[i]))
    heads[name] = nil
  end
end

-- Whether the bytes of `a` sort before those of `b`.
local function before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = byte(a, i), byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- The best place of each queue, where it has been looked for.
local function head(name)
  if heads[name] == nil then heads[name] = call('ZRANGE', P .. 'q:' .. name, '0', '0')[1] or false end
  return heads[name]
end

-- Where several queues are named: from which of them is taken, 1 the first that has something, 2 one from each in turn.
-- Nothing where they are as one queue.
local order, turn = byte(fences, $FENCE_SIZE * limit + 1), 1
local function best()
  local first, where
  if order then
    local waited_for
    for i = 0, #names - 1 do
      local at = order == $IN_TURN and (turn + i - 1) % #names + 1 or i + 1
      local member = head(names[at])
      if member and not first then first, where = member, at end
      waited_for = waited_for or member and byte(member) < $NOT_WAITED_FOR
    end
    if not first then return end
    if not waited_for then
      turn = where + 1
      return first, names[where]
    end
    first, where = nil, nil
  end
  for _, name in ipairs(names) do
    local member = head(name)
    if member and (not first or before(member, first)) then first, where = member, name end
  end
  return first, where
end

-- Text: the server formats numbers slowly.
local ENDS = string.format('%.0f', now + lease)
local function own(id, fence)
  taken = taken + 1
  owned[#owned + 1] = id
  owned[#owned + 1] = fence
end

local function next_fence()
  return sub(fences, $FENCE_SIZE * taken + 1, $FENCE_SIZE * taken + $FENCE_SIZE)
end

local function take(id, r)
  r.fence = next_fence()
  r.runner = runner
  m().enter(r, $PENDING, $NAMES_RUNNER, NAMED)
  if begin then m().enter_held(r, $RUNNING, 0, '') end
  local raw = m().encode(r)
  call('ZADD', KEYS[1], ENDS, id)
  call('SET', P .. 'i:' .. id, raw)
  m().deregister(r, id)
  own(id, r.fence)
  give(id, raw, r)
end

-- The same for one that was never touched since it arrived and has no key to look after, without taking it apart. Its
-- record is written with those of the others.
local STATUS = begin and '\$RUNNING' or '\$PENDING'
local TAIL = ARGV[7] .. now6 .. ARGV[8] .. (begin and now6 or '')
local records, terms = {}, {}
local function take_fresh(id, key, raw)
  local status, flags = byte(raw, 1, 2)
  if status ~= $REGISTERED or #raw < $SHORTEST or flags % $MORE >= CONCURRENCY or #raw ~= body_end(raw) + $EMPTY_END then return false end
  local fence = next_fence()
  raw = STATUS .. char(flags) .. fence .. sub(raw, $TAG_AT, -$BUT_EMPTY) .. TAIL
  records[#records + 1] = key
  records[#records + 1] = raw
  terms[#terms + 1] = ENDS
  terms[#terms + 1] = id
  own(id, fence)
  claims[#claims + 1] = id
  claims[#claims + 1] = raw
  claims[#claims + 1] = flags % $RESULT_APART == $ARGS_APART and arguments(id) or ''
  return true
end

-- One that may find no place; the queue into which another was called back instead.
local moved = false
local function admit(id, r)
  moved = true
  if not r or not available(r.status) then return end
  local holders = m().has(r, CONCURRENCY) and call('SCARD', P .. 'k:' .. m().fixed(r).ckey) or -1
  if holders < 0 then
    take(id, r)
  elseif holders < r.limit then
    take(id, r)
    call('SADD', P .. 'k:' .. r.ckey, id)
  elseif r.blocked == 1 then
    m().finish_unrun(r, id, $DROPPED, reason)
    dropped[#dropped + 1] = id
    dropped[#dropped + 1] = r.task
  else
    m().enter(r, $BLOCKED, 0, '')
    call('ZADD', P .. 'z:' .. r.ckey, '0', m().parked_place(r, id))
    m().save(id, r)
    -- It may have been called back in place of one with a higher limit.
    return m().place_freed(r)
  end
end

-- The best that are left, with their records: all from one queue if the others are empty, else one.
local function peek(most)
  local first, where = best()
  if not first then return {} end
  local others = false
  -- In turn and as named, the other queues may have what a body waits for.
  for _, name in ipairs(names) do others = others or (name ~= where and head(name)) end
  local members, keys = { first }, {}
  if most > 1 and not others then
    members = call('ZRANGE', P .. 'q:' .. where, '0', string.format('%d', most - 1))
  end
  for i, member in ipairs(members) do keys[i] = P .. 'i:' .. sub(member, -$ID_SIZE) end
  local raws = get_all(keys)
  for _, raw in ipairs(raws) do
    if raw and (#raw < $SHORTEST or byte(raw, 2) % $RESULT >= CONCURRENCY) then
      call('HLEN', META)
      call('LLEN', FINISHED)
      local r = m().examine(raw)
      if r then m().expect_places(r) end
    end
  end
  return members, keys, raws, where
end

-- Not more than 500 in one call, counting those that find no place.
local work, looked = false, 0
local wanted = limit - found
-- One may stand in the queue twice, or be called back to a place that it has: see `lib/begin.lua`.
local met = {}
while taken < wanted and looked < $MOST_LOOKED_AT do
  local members, keys, raws, name = peek(math.min(wanted - taken, $MOST_LOOKED_AT - looked))
  if #members == 0 then break end
  local last = #members
  for at, member in ipairs(members) do
    local id, raw = sub(member, -$ID_SIZE), raws[at]
    if met[id] then
      moved = true
    elseif raw then
      met[id] = available(byte(raw, 1)) or nil
      local queue, back
      if #raw >= $SHORTEST and byte(raw, 2) % $RESULT_APART == $ARGS_APART and available(byte(raw, 1)) and not arguments(id) then
        m().set_aside(id, raw, 'its arguments are gone, or no string')
      elseif not take_fresh(id, keys[at], raw) then
        local r = m().known(id, raw)
        if r then queue, back = admit(id, r) end
      end
      if queue then
        -- What was called back may be better than those that follow: look again.
        heads, work, last = {}, true, at
        for i = at, 1, -1 do
          if sub(members[i], -$ID_SIZE) == back then
            table.remove(members, i)
            last = last - 1
          end
        end
        break
      end
    end
  end
  if #records > 0 then
    call('ZADD', KEYS[1], spread(terms))
    call('MSET', spread(records))
    records, terms = {}, {}
  end
  if last > 0 then call('ZREM', P .. 'q:' .. name, spread(members, 1, last)) end
  heads[name] = nil
  looked = looked + last
end

for i = 1, #owned, $MOST_SET do call('HSET', KEYS[2], spread(owned, i, math.min(i + $MOST_SET_LESS_ONE, #owned))) end

local next_due = ''
local waiting = taken + found < limit
for i, name in ipairs(names) do
  local first = not moved and firsts[i] or call('ZRANGE', P .. 's:' .. name, '0', '0', 'WITHSCORES')
  if first[1] then
    if next_due == '' or tonumber(first[2]) < next_due then next_due = tonumber(first[2]) end
  elseif every and waiting and not head(name) then
    call('SREM', KEYS[3], name)
  end
end
if waiting and tag ~= '' then
  local parks = {}
  if every then parks[1] = BELL else for _, name in ipairs(names) do parks[#parks + 1] = P .. 'b:' .. name end end
  for _, key in ipairs(parks) do
    call('ZADD', key, now + $IDLE_MS, tag)
    call('PEXPIRE', key, '$IDLE_KEY_MS')
  end
end
ring_bells(META)
announce()
return { { now, next_due, dropped, (work or (made and made.aside[1])) and 1 or 0, found, made and made.aside or {} }, spread(claims) }
