#!lua flags=allow-oom
-- Take due invocations for free slots. Works when memory is full: claims are how it empties.
--
-- KEYS: 1 l, 2 w:<runner>, 3 Q, 4 b, 5 m, 6 f, then q, s and b of each queue asked for.
-- Found inside: the records that leave the queue with what belongs to them; all queues, if none is asked for.
-- ARGV: 5 limit, 6 lease in milliseconds, 7 runner, 8 whether to begin (1 or 0), 9 tag to park under if there is less
-- than was asked for ('' does not park), 10 as many fences as the limit, 11 fences of requests whose answer was lost,
-- 12 reason of drops, then names of queues.
-- Answer: now, next due time or '', a pair of record and arguments kept apart for each claim after its id, ids of
-- those dropped, whether others may claim something now, number of claims made by the lost requests.
local made
local function m()
  made = made or moves()
  return made
end
local limit, lease, runner, begin, tag = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7], ARGV[8] == '1', ARGV[9]
local fences, lost, reason = ARGV[10], ARGV[11], ARGV[12]
call('ZCARD', KEYS[1])
call('HLEN', KEYS[2])
local names = {}
for i = 13, #ARGV do names[#names + 1] = ARGV[i] end
local every = #names == 0
if every then names = call('SMEMBERS', KEYS[3]) end
local heads, due, firsts = {}, {}, {}
for i, name in ipairs(names) do
  local scheduled = P .. 's:' .. name
  firsts[i] = call('ZRANGE', scheduled, '0', '0', 'WITHSCORES')
  if firsts[i][1] and tonumber(firsts[i][2]) <= now then
    due[i] = call('ZRANGEBYSCORE', scheduled, '-inf', string.format('%.0f', now), 'LIMIT', '0', '500')
    firsts[i] = nil
  end
  heads[name] = call('ZRANGE', P .. 'q:' .. name, '0', '0')[1] or false
  if tag ~= '' and not every then call('ZCARD', P .. 'b:' .. name) end
end
if tag ~= '' and every then call('ZCARD', KEYS[4]) end

local claims, dropped, leases, owned, found = {}, {}, {}, {}, 0

local function give(id, raw, r)
  claims[#claims + 1] = id
  claims[#claims + 1] = raw
  claims[#claims + 1] = m().has(r, ARGS_APART) and call('GET', P .. 'd:' .. id) or ''
end

if lost ~= '' then
  local mine = {}
  for i = 1, #lost, 8 do mine[sub(lost, i, i + 7)] = true end
  local all = call('HGETALL', KEYS[2])
  for i = 1, #all, 2 do
    local raw = mine[all[i + 1]] and call('GET', P .. 'i:' .. all[i])
    if raw then
      give(all[i], raw, m().decode(raw))
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

local function best()
  local first, where
  for _, name in ipairs(names) do
    local member = head(name)
    if member and (not first or before(member, first)) then first, where = member, name end
  end
  return first, where
end

-- Text: the server formats numbers slowly.
local ENDS = string.format('%.0f', now + lease)
local function own(id, fence)
  leases[#leases + 1] = ENDS
  leases[#leases + 1] = id
  owned[#owned + 1] = id
  owned[#owned + 1] = fence
end

local function next_fence()
  return sub(fences, 4 * #leases + 1, 4 * #leases + 8)
end

local NAMED = pack('>I2c0', #runner, runner)
local function take(id, r)
  m().deregister(r, id)
  r.fence = next_fence()
  r.runner = runner
  m().enter(r, 4, 16, NAMED)
  if begin then m().enter_held(r, 6, 0, '') end
  local raw = m().encode(r)
  call('SET', P .. 'i:' .. id, raw)
  own(id, r.fence)
  give(id, raw, r)
end

-- The same for one that was never touched since it arrived and has no key to look after, without taking it apart. Its
-- record is written with those of the others.
local STATUS = begin and 6 or 4
local ENTRIES = char(4 + 16) .. now6 .. NAMED .. (begin and char(6 + 128) .. now6 or '')
local TAIL = NAMED .. Z8 .. pack('>I4', #ENTRIES) .. ENTRIES
local prefixes, records = {}, {}
local function take_fresh(id, key, raw)
  local status, flags = byte(raw, 1, 2)
  if status ~= 1 or flags % 64 >= CONCURRENCY or #raw ~= body_end(raw) + 14 then return false end
  local fence = next_fence()
  local prefix = prefixes[flags]
  if not prefix then
    prefix = char(STATUS, flags)
    prefixes[flags] = prefix
  end
  raw = prefix .. fence .. sub(raw, 11, -15) .. TAIL
  records[#records + 1] = key
  records[#records + 1] = raw
  own(id, fence)
  claims[#claims + 1] = id
  claims[#claims + 1] = raw
  claims[#claims + 1] = flags % 2 == 1 and call('GET', P .. 'd:' .. id) or ''
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
    m().finish_unrun(r, id, 13, reason)
    dropped[#dropped + 1] = id
  else
    m().deregister(r, id)
    m().enter(r, 2, 0, '')
    m().save(id, r)
    call('ZADD', P .. 'z:' .. r.ckey, '0', m().parked_place(r, id))
    -- It may have been called back in place of one with a higher limit.
    return m().place_freed(r)
  end
end

-- The best that are left, with their records: all from one queue if the others are empty, else one.
local function peek(most)
  local first, where = best()
  if not first then return {} end
  local others = false
  for _, name in ipairs(names) do others = others or (name ~= where and head(name)) end
  local members, keys = { first }, {}
  if most > 1 and not others then
    members = call('ZRANGE', P .. 'q:' .. where, '0', string.format('%d', most - 1))
  end
  for i, member in ipairs(members) do keys[i] = P .. 'i:' .. sub(member, -16) end
  local raws = get_all(keys)
  for _, raw in ipairs(raws) do
    if raw and byte(raw, 2) % 16 >= CONCURRENCY then
      call('HLEN', KEYS[5])
      call('LLEN', KEYS[6])
      m().expect_places(m().decode(raw))
    end
  end
  return members, keys, raws, where
end

-- Not more than 500 in one call, counting those that find no place.
local work, looked = false, 0
local wanted = limit - found
while #leases / 2 < wanted and looked < 500 do
  local members, keys, raws, name = peek(math.min(wanted - #leases / 2, 500 - looked))
  if #members == 0 then break end
  local last = #members
  for at, member in ipairs(members) do
    local id, raw = sub(member, -16), raws[at]
    if raw and not take_fresh(id, keys[at], raw) and admit(id, m().decode(raw)) then
      -- What was called back may be better than those that follow: look again.
      heads, work, last = {}, true, at
      break
    end
  end
  if #records > 0 then
    call('MSET', spread(records))
    records = {}
  end
  if moved then
    call('ZREM', P .. 'q:' .. name, spread(members, 1, last))
  else
    -- They are still the first of their queue.
    call('ZREMRANGEBYRANK', P .. 'q:' .. name, '0', last - 1)
  end
  heads[name] = nil
  looked = looked + last
end

if #leases > 0 then
  for i = 1, #leases, 2000 do call('ZADD', KEYS[1], spread(leases, i, math.min(i + 1999, #leases))) end
  for i = 1, #owned, 2000 do call('HSET', KEYS[2], spread(owned, i, math.min(i + 1999, #owned))) end
end

local next_due = ''
local waiting = #leases / 2 + found < limit
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
  if every then parks[1] = KEYS[4] else for _, name in ipairs(names) do parks[#parks + 1] = P .. 'b:' .. name end end
  for _, key in ipairs(parks) do
    call('ZADD', key, now + 10000, tag)
    call('PEXPIRE', key, '20000')
  end
end
ring_bells(KEYS[5])
announce()
return { now, next_due, claims, dropped, work and 1 or 0, found }
