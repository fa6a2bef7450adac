#!lua flags=allow-oom
-- Record outcomes, each on its own; wake who waits. Works when memory is full.
--
-- KEYS: 1 l, 2 f, 3 m, then the record of each outcome.
-- Found inside: the runner's claims, the queue of what comes back, the concurrency key and who is parked under it.
-- ARGV: from 5 on each outcome packed: fence, kind (1 success, 2 failure, 3 retry, 4 release), slot and start, due time,
-- whether its value is kept apart, then the value or the note.
-- Answer: a digit per outcome (0 done, 1 replayed, 2 stale) and whether others may claim something now; or, if one
-- is refused by the state machine, '!', its index, its status and the status asked for; then nothing was written.
expect('zset', KEYS[1])
expect('list', KEYS[2])
expect('hash', KEYS[3])
expect('set', P .. 'Q')
expect('zset', P .. 'b')
local n = #KEYS - 3
local records, ids = {}, {}
for i = 1, n do
  local id = sub(KEYS[i + 3], -16)
  ids[i] = id
  if records[id] == nil then records[id] = load(id) or false end
  local r = records[id]
  if r and claimed(r.status) then
    local fence, kind = unpack('>c8B', ARGV[4 + i])
    expect('hash', P .. 'w:' .. r.runner)
    if r.fence == fence and r.status == 4 and (kind == 1 or kind == 3) then
      return { '!', i, 4, kind == 1 and 11 or 10 }
    end
    if has(r, CONCURRENCY) then
      expect('set', P .. 'k:' .. fixed(r).ckey)
      expect('zset', P .. 'z:' .. r.ckey)
    end
  end
end

local codes, work = {}, false
for i = 1, n do
  local id = ids[i]
  local r = records[id]
  local fence, kind, where, due, apart, at = unpack('>c8Bc10I6B', ARGV[4 + i])
  if not r or r.fence ~= fence then
    codes[i] = 2
  elseif not claimed(r.status) then
    codes[i] = 1
  else
    local text = sub(ARGV[4 + i], at)
    codes[i] = 0
    if kind == 4 then
      if r.status ~= 4 then enter_held(r, 9, 0, '') end
    elseif r.status == 8 or (kind == 2 and r.status == 4) then
      enter_held(r, 6, 0, '')
    end
    if kind <= 2 then
      enter_held(r, 10 + kind, 64, where)
      let_go(r, id)
      r.flags = r.flags + RESULT
      finish(r, id, text, apart == 1)
    else
      if text == '' then
        enter_held(r, kind == 3 and 10 or 3, 64, where)
      else
        enter_held(r, kind == 3 and 10 or 3, 96, pack('>I2c0', #text, text) .. where)
      end
      let_go(r, id)
      r.note = text
      if kind == 3 then
        r.retries = r.retries + 1
        r.due = math.max(due, now)
      else
        r.releases = r.releases + 1
        -- Handed back without delay, it keeps its place in line.
        if due > 0 then r.due = math.max(due, now) end
      end
      save(id, r)
      enqueue(r, id)
      work = true
    end
    if place_freed(r) then work = true end
  end
end
ring_bells(KEYS[3])
announce()
return { table.concat(codes), work and 1 or 0 }
