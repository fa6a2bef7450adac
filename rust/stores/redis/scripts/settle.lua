#!lua flags=allow-oom
-- Record outcomes, each on its own; wake who waits. Works when memory is full.
--
-- KEYS: 1 l, 2 f, 3 m, then the record of each outcome.
-- Found inside: the runner's claims, the queue of what comes back, the concurrency key and who is parked under it.
-- ARGV: from 5 on each outcome packed: fence, kind (1 success, 2 failure, 3 retry, 4 release, 5 cancelled), whether its value is kept
-- apart, due time, slot and start, then the value or the note.
-- Answer: a digit per outcome (0 done, 1 replayed, 2 stale, 3 done, and cancelled instead) and whether others may claim something now; or, if one
-- is refused by the state machine, '!', its index, its status and the status asked for; then nothing was written.
local made
local function m()
  made = made or moves()
  return made
end
call('ZCARD', KEYS[1])
call('LLEN', KEYS[2])
local n = #KEYS - 3
local records, ids, runners = {}, {}, {}
local raws = get_all({ spread(KEYS, 4) })
for i = 1, n do
  local id, raw, packed = sub(KEYS[i + 3], -16), raws[i], ARGV[4 + i]
  ids[i] = id
  records[id] = raw
  local status, flags = 0, 0
  if raw then status, flags = byte(raw, 1, 2) end
  if claimed(status) then
    local kind = byte(packed, 9)
    if status == 4 and (kind == 1 or kind == 3) and sub(raw, 3, 10) == sub(packed, 1, 8) then
      return { '!', i, 4, kind == 1 and 11 or 10 }
    end
    local runner = unpack('>I2c0', raw, body_end(raw) + 1)
    if not runners[runner] then
      call('HLEN', P .. 'w:' .. runner)
      runners[runner] = {}
    end
    if kind > 2 or flags % 8 >= CONCURRENCY or flags >= WISHED then
      call('HLEN', KEYS[3])
      m().expect_places(m().decode(raw))
    end
  end
end

-- The end of one that runs and has nothing beside its record, without taking that apart. Leaves its lease, its owner
-- and the index of finished ones to the end.
local leases, finished, middles = {}, {}, {}
local ENDS = pack('>I6', now + RETENTION)
local function end_plainly(id, key, raw, kind, packed)
  local flags, last = byte(raw, 2), body_end(raw)
  local runner, after = unpack('>I2c0', raw, last + 1)
  -- A note, or ids waited for, are left to the other way; without them the history is the rest.
  local length = #raw - after - 11
  if length >= HISTORY_LIMIT or sub(raw, after, after + 7) ~= Z8 then return false end
  local middle = middles[length]
  if not middle then
    middle = pack('>I2I4I4I4', 0, 0, 0, length + 17)
    middles[length] = middle
  end
  local record = char(10 + kind, flags + RESULT) .. sub(raw, 3, last) .. middle .. sub(raw, after + 12) ..
    char(10 + kind + 128 + 64) .. now6 .. sub(packed, 17)
  call('SET', key, record, 'PX', RETENTION)
  local owned = runners[runner]
  owned[#owned + 1] = id
  leases[#leases + 1] = id
  finished[#finished + 1] = ENDS .. id .. sub(raw, 45, 49)
  local tag = sub(raw, 11, 18)
  if tag ~= Z8 then tell_one(tag, id, 10 + kind, 1, sub(packed, 27)) end
  records[id] = record
  return true
end

local work = false
local function settle(id, r, kind, where, due, apart, text)
  local code = 0
  if (kind == 3 or kind == 4) and m().has(r, WISHED) then
    code, kind, text = 3, 5, 'cancelled while it ran, and not run again'
  end
  if kind == 4 then
    if r.status ~= 4 then m().enter_held(r, 9, 0, '') end
  elseif r.status == 8 or (kind == 2 and r.status == 4) then
    m().enter_held(r, 6, 0, '')
  end
  if kind <= 2 then
    m().enter_held(r, 10 + kind, 64, where)
    m().let_go(r, id)
    r.flags = r.flags + RESULT
    m().finish(r, id, text, apart == 1)
  elseif kind == 5 then
    m().enter_held(r, 14, 96, pack('>I2c0', #text, text) .. where)
    m().let_go(r, id)
    r.note = text
    r.flags = r.flags + REASON
    m().finish(r, id, text, false)
  else
    local status = kind == 3 and 10 or 3
    if text == '' then
      m().enter_held(r, status, 64, where)
    else
      m().enter_held(r, status, 96, pack('>I2c0', #text, text) .. where)
    end
    m().let_go(r, id)
    r.note = text
    if kind == 3 then
      r.retries = r.retries + 1
      r.due = math.max(due, now)
    else
      r.releases = r.releases + 1
      -- Handed back without delay, it keeps its place in line.
      if due > 0 then r.due = math.max(due, now) end
    end
    m().save(id, r)
    m().enqueue(r, id)
    work = true
  end
  if m().place_freed(r) then work = true end
  -- Another outcome of the same batch may be about one that was called back, or about the same.
  records[id] = m().encode(r)
  return code
end

local codes = {}
for i = 1, n do
  local id, packed = ids[i], ARGV[4 + i]
  local raw = records[id]
  if not raw or sub(raw, 3, 10) ~= sub(packed, 1, 8) then
    codes[i] = 2
  else
    local status, flags = byte(raw, 1, 2)
    if not claimed(status) then
      codes[i] = 1
    else
      codes[i] = 0
      local kind, apart = byte(packed, 9, 10)
      -- No flag is set: neither something kept apart, nor a concurrency key, nor more who wait.
      local plain = status == 6 and kind <= 2 and apart == 0 and flags % 8 == 0 and flags < MORE
      if not plain or not end_plainly(id, KEYS[i + 3], raw, kind, packed) then
        local due, where = unpack('>I6c10', packed, 11)
        codes[i] = settle(id, m().decode(raw), kind, where, due, apart, sub(packed, 27))
      end
    end
  end
end
if #leases > 0 then
  call('ZREM', KEYS[1], spread(leases))
  for runner, owned in pairs(runners) do
    if #owned > 0 then call('HDEL', P .. 'w:' .. runner, spread(owned)) end
  end
  call('RPUSH', KEYS[2], spread(finished))
end
ring_bells(KEYS[3])
announce()
return { table.concat(codes), work and 1 or 0 }
