#!lua flags=allow-oom
-- Record outcomes, each on its own; wake who waits. Works when memory is full.
--
-- KEYS: 1 l, 2 f, 3 m, then the record of each outcome.
-- Found inside: the runner's claims, the queue of what comes back, the concurrency key and who is parked under it.
-- ARGV: from 5 on each outcome packed: fence, kind (1 success, 2 failure, 3 retry, 4 release), slot and start, due time,
-- whether its value is kept apart, then the value or the note.
-- Answer: a digit per outcome (0 done, 1 replayed, 2 stale) and whether others may claim something now; or, if one
-- is refused by the state machine, '!', its index, its status and the status asked for; then nothing was written.
local made
local function m()
  made = made or moves()
  return made
end
expect('zset', KEYS[1])
expect('list', KEYS[2])
expect('hash', KEYS[3])
local n = #KEYS - 3
local records, ids, runners = {}, {}, {}
for i = 1, n do
  local id = sub(KEYS[i + 3], -16)
  ids[i] = id
  local raw = records[id]
  if raw == nil then
    raw = call('GET', KEYS[i + 3])
    records[id] = raw
  end
  if raw and claimed(byte(raw, 1)) then
    local fence, kind = unpack('>c8B', ARGV[4 + i])
    if sub(raw, 3, 10) == fence and byte(raw, 1) == 4 and (kind == 1 or kind == 3) then
      return { '!', i, 4, kind == 1 and 11 or 10 }
    end
    local runner = unpack('>I2c0', raw, body_end(raw) + 1)
    if not runners[runner] then
      expect('hash', P .. 'w:' .. runner)
      runners[runner] = {}
    end
    if kind > 2 or byte(raw, 2) % 8 >= CONCURRENCY then m().expect_places(m().decode(raw)) end
  end
end

-- The end of one that runs and has nothing beside its record, without taking that apart. Leaves its lease, its owner
-- and the index of finished ones to the end.
local leases, finished = {}, {}
local ENDS = pack('>I6', now + RETENTION)
local function end_plainly(id, raw, kind, where, text)
  local flags, last = byte(raw, 2), body_end(raw)
  local runner, note, _, hist = unpack('>I2c0I4c0I4c0I4c0', raw, last + 1)
  if #hist >= HISTORY_LIMIT then return false end
  local record = char(10 + kind, flags + RESULT) .. sub(raw, 3, last) .. '\0\0' .. pack('>I4c0', #note, note) ..
    '\0\0\0\0' .. pack('>I4', #hist + 17) .. hist .. char(10 + kind + 128 + 64) .. now6 .. where .. text
  call('SET', P .. 'i:' .. id, record, 'PX', RETENTION)
  local owned = runners[runner]
  owned[#owned + 1] = id
  leases[#leases + 1] = id
  finished[#finished + 1] = ENDS .. id .. sub(raw, 45, 49)
  tell_one(sub(raw, 11, 18), id, 10 + kind, 1, text)
  records[id] = record
  return true
end

local work = false
local function settle(id, r, kind, where, due, apart, text)
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
end

local codes = {}
for i = 1, n do
  local id = ids[i]
  local raw = records[id]
  local fence, kind, where, due, apart, at = unpack('>c8Bc10I6B', ARGV[4 + i])
  if not raw or sub(raw, 3, 10) ~= fence then
    codes[i] = 2
  else
    local status, flags = byte(raw, 1, 2)
    if not claimed(status) then
      codes[i] = 1
    else
      codes[i] = 0
      local text = sub(ARGV[4 + i], at)
      -- No flag is set: neither something kept apart, nor a concurrency key, nor more who wait.
      local plain = status == 6 and kind <= 2 and apart == 0 and flags % 8 == 0 and flags < MORE
      if not plain or not end_plainly(id, raw, kind, where, text) then
        settle(id, m().decode(raw), kind, where, due, apart, text)
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
