#!lua flags=allow-oom
-- Take due invocations for free slots. Works when memory is full: claims are how it empties.
--
-- KEYS: 1 l, 2 w:<runner>, then q, s and b of each queue asked for, or Q and b if none is.
-- Found inside: the records that leave the queue with what belongs to them; all queues, if none is asked for; m and f.
-- ARGV: 5 limit less one, 6 lease in milliseconds, 7 and 8 what a history notes of the claim (a claim: runner, ids it
-- waits for, length and kind of the first entry; after its time the rest, with the kind of a second entry if the claim
-- begins), 9 tag to park under if there is less than was asked for ('' does not park), 10 as many fences as the limit, and
-- a byte for the order of the queues (see `best`), 11
-- fences of requests whose answer was lost, then names of queues.
-- Answer: nothing, if nothing was found; id and record in one string, if it is only one; else a list, first nothing, or
-- now and the next due time, then ids and records in turns; or, if there was more to it, a list that begins with now,
-- next due time or '', ids and tasks of those dropped in turns, whether others may claim something now, number of claims made by the lost
-- requests, and ids of those set aside, each with what is wrong with it, in a list; then id, record, and arguments kept
-- apart of each claim.
local usual = #ARGV[11] == 0 and ARGV[5] ~= '-1'
if usual then
  local call, attempt, byte, char, sub, floor = redis.call, redis.pcall, string.byte, string.char, string.sub, math.floor
  local P, now, tag, format = ARGV[1], tonumber(ARGV[2]), ARGV[9], string.format
  if now == 0 then
    local t = call('TIME')
    now = t[1] * 1000 + floor(t[2] / 1000)
  end
  -- Usually one queue has something that is due, or none.
  local every, first, next_due, queue, members, bell = #ARGV == 11, 12, nil, nil, nil, KEYS[5]
  local names = ARGV
  if every then names, first, bell = call('SMEMBERS', KEYS[3]), 1, KEYS[4] end
  for i = first, #names do
    local ready, scheduled
    if every then
      ready, scheduled = P .. 'q:' .. names[i], P .. 's:' .. names[i]
    else
      ready, scheduled = KEYS[3 * i - 33], KEYS[3 * i - 32]
    end
    local due = call('ZRANGE', scheduled, '0', '0', 'WITHSCORES')[2]
    if due then
      due = tonumber(due)
      if due <= now then usual = false end
      if not next_due or due < next_due then next_due = due end
    end
    local found = call('ZRANGE', ready, '0', ARGV[5])
    if found[1] then
      if queue then usual = false end
      queue, members = ready, found
    end
    if not usual then break end
  end
  local count = members and #members or 0
  local parks = tag ~= '' and count <= tonumber(ARGV[5])
  -- To park in several places is left to the other way.
  if usual and not (parks and #ARGV > 12) then
    local answer, owned, leases, records
    if count > 0 then
      -- Made with places for one, because a table that grows costs as much as a command.
      answer, owned, leases, records = { '', false, false }, { false, false }, { false, false }, { false, false }
      local ids, keys = { false }, { false }
      for i = 1, count do
        local id = sub(members[i], -16)
        ids[i], keys[i] = id, P .. 'i:' .. id
      end
      local raws = count == 1 and { attempt('GET', keys[1]) } or call('MGET', unpack(keys))
      local now6, fences = struct.pack('>I6', now), ARGV[10]
      local tail, status = ARGV[7] .. now6 .. ARGV[8], '\$PENDING'
      if #ARGV[8] > #ARGV[7] - $CLAIM_TAIL then tail, status = tail .. now6, '\$RUNNING' end
      local ends = now + tonumber(ARGV[6])
      local high = floor(ends / 1000000)
      -- Text, because the server makes text of numbers slowly; in two parts for servers of 32 bits.
      ends = format('%d%06d', high, ends - high * 1000000)
      for i = 1, count do
        local raw = raws[i]
        -- Never touched since it arrived, arguments in the record, no concurrency key.
        if type(raw) ~= 'string' then
          usual = false
          break
        end
        local was, flags = byte(raw, 1, 2)
        local upper, middle, lower = byte(raw, $LENGTH_AT, $LENGTH_END)
        if was ~= $REGISTERED or #raw < $SHORTEST or flags % $MORE >= $CONCURRENCY or flags % $RESULT_APART == $ARGS_APART or #raw ~= $SHORTEST + upper * 65536 + middle * 256 + lower then
          usual = false
          break
        end
        local id, fence = ids[i], sub(fences, 8 * i - 7, 8 * i)
        raw = status .. char(flags) .. fence .. sub(raw, $TAG_AT, -$BUT_EMPTY) .. tail
        records[2 * i - 1], records[2 * i] = keys[i], raw
        owned[2 * i - 1], owned[2 * i] = id, fence
        leases[2 * i - 1], leases[2 * i] = ends, id
        answer[2 * i], answer[2 * i + 1] = id, raw
      end
    end
    if usual then
      if parks then call('ZCARD', bell) end
      if count > 0 then
        -- Fewer than were claimed: one has a lease, or stands in the queue twice. The other way looks closely.
        usual = call('ZADD', KEYS[1], unpack(leases)) == count
      end
    end
    if usual then
      if count > 0 then
        local failed = attempt('MSET', unpack(records))
        if type(failed) == 'table' and failed.err then
          for i = 1, count do call('ZREM', KEYS[1], leases[2 * i]) end
          return failed
        end
        failed = attempt('HSET', KEYS[2], unpack(owned))
        if type(failed) == 'table' then
          for i = 1, count do
            records[2 * i] = raws[i]
            call('ZREM', KEYS[1], leases[2 * i])
          end
          call('MSET', unpack(records))
          return failed
        end
        -- By name, neither by rank nor from one to another: see `lib.lua`.
        call('ZREM', queue, unpack(members))
      end
      if parks and call('ZADD', bell, now + $PARKED_MS, tag) == 1 then call('PEXPIRE', bell, '$PARKED_KEY_MS') end
      -- A few empty queues stay listed for a runner that waits: the next call would list them again.
      if every and count == 0 and (tag == '' or #names > 8) then
        for _, name in ipairs(names) do
          if not next_due or not call('ZRANGE', P .. 's:' .. name, '0', '0')[1] then call('SREM', KEYS[3], name) end
        end
      end
      if next_due then
        if count == 0 then return { { now, next_due } } end
        answer[1] = { now, next_due }
      elseif count == 0 then
        return ''
      elseif count == 1 then
        return answer[2] .. answer[3]
      end
      return answer
    end
  end
end
-- [library]
local made
local function m()
  made = made or moves()
  return made
end
local limit, lease, tag, fences, lost = tonumber(ARGV[5]) + 1, tonumber(ARGV[6]), ARGV[9], ARGV[10], ARGV[11]
local NAMED = sub(ARGV[7], 1, -$BUT_CLAIM_TAIL)
local runner, begin = sub(NAMED, 3), #ARGV[8] > #NAMED
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
  for i = 1, #lost, 8 do mine[sub(lost, i, i + 7)] = true end
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
local order, turn = byte(fences, 8 * limit + 1), 1
local function best()
  local first, where
  if order then
    local waited_for
    for i = 0, #names - 1 do
      local at = order == 2 and (turn + i - 1) % #names + 1 or i + 1
      local member = head(names[at])
      if member and not first then first, where = member, at end
      waited_for = waited_for or member and byte(member) < 255
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
  return sub(fences, 8 * taken + 1, 8 * taken + 8)
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
    m().enter(r, $PARKED, 0, '')
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
  for i, member in ipairs(members) do keys[i] = P .. 'i:' .. sub(member, -16) end
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
-- One may stand in the queue twice, or be called back to a place that it has: see `lib.lua`.
local met = {}
while taken < wanted and looked < $MOST_LOOKED_AT do
  local members, keys, raws, name = peek(math.min(wanted - taken, $MOST_LOOKED_AT - looked))
  if #members == 0 then break end
  local last = #members
  for at, member in ipairs(members) do
    local id, raw = sub(member, -16), raws[at]
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
          if sub(members[i], -16) == back then
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

for i = 1, #owned, 2000 do call('HSET', KEYS[2], spread(owned, i, math.min(i + 1999, #owned))) end

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
    call('ZADD', key, now + $PARKED_MS, tag)
    call('PEXPIRE', key, '$PARKED_KEY_MS')
  end
end
ring_bells(META)
announce()
return { { now, next_due, dropped, (work or (made and made.aside[1])) and 1 or 0, found, made and made.aside or {} }, spread(claims) }
