-- What every script begins with; put in front of it when it is sent. See the crate's documentation for the layout.
--
-- ARGV of every script: 1 prefix of the shard's keys, 2 time in milliseconds (0: the server's), 3 retention in
-- milliseconds, 4 largest outcome that travels in a notification, in bytes. What follows is the script's own.
--
-- Numbers are compared, never strings: Lua compares strings by the server's locale.
local call, pack, unpack, spread = redis.call, struct.pack, struct.unpack, unpack
local sub, byte, char = string.sub, string.byte, string.char
local P, now, RETENTION = ARGV[1], tonumber(ARGV[2]), ARGV[3]
if now == 0 then
  local t = call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local now6 = pack('>I6', now)
local Z8, Z16 = string.rep('\0', 8), string.rep('\0', 16)
local CHUNK = 256
local RECORD = '>BBc8c8I4I4I4I4I6I4c0I2c0I4c0I4c0I4c0'
local HISTORY_LIMIT = 65536

-- Statuses by number: 1 registered, 2 parked, 3 rerouted, 4 pending, 5 pending recovery, 6 running, 7 running recovery,
-- 8 paused, 9 killed, 10 retry, 11 success, 12 failed, 13 dropped, 14 cancelled.
local function claimed(s) return s == 4 or s == 6 or s == 8 end
local function available(s) return s == 1 or s == 3 or s == 10 end

-- Flags of a record.
local ARGS_APART, RESULT_APART, CONCURRENCY, REGISTRATION, RESULT, REASON, MORE = 1, 2, 4, 8, 16, 32, 64
local function has(r, flag) return math.floor(r.flags / flag) % 2 == 1 end

local function decode(raw)
  local r, at = {}, nil
  r.status, r.flags, r.fence, r.tag, r.rank, r.retries, r.recoveries, r.releases, r.due, r.body, r.runner, r.note,
    r.waits, r.hist, at = unpack(RECORD, raw)
  r.result = sub(raw, at)
  return r
end

-- Where the unchanging part of a packed record ends.
local function body_end(raw)
  return 44 + (unpack('>I4', raw, 41))
end

local function load(id)
  local raw = call('GET', P .. 'i:' .. id)
  return raw and decode(raw)
end

local function encode(r)
  return pack(RECORD, r.status, r.flags, r.fence, r.tag, r.rank, r.retries, r.recoveries, r.releases, r.due, #r.body,
    r.body, #r.runner, r.runner, #r.note, r.note, #r.waits, r.waits, #r.hist, r.hist) .. r.result
end

local function save(id, r)
  call('SET', P .. 'i:' .. id, encode(r))
end

-- The part of a record that never changes, as far as scripts need it.
local function fixed(r)
  if not r.seq then
    r.seq, r.arrived, r.code, r.depth, r.queue, r.ckey, r.limit, r.blocked, r.rkey, r.args =
      unpack('>c5c6Bc0I4I2c0I2c0I4BI2c0I2c0', r.body)
  end
  return r
end

-- Change the status and record that. An entry is status + 16 if the runner follows, + 32 a note, + 64 slot and start,
-- + 128 if the runner is the last one named; then the time, then what follows.
local function enter(r, status, flags, more)
  r.status = status
  if #r.hist < HISTORY_LIMIT or status >= 10 or status == 5 or status == 7 then
    r.hist = r.hist .. char(status + flags) .. now6 .. more
  end
end

-- The same by the runner that holds it, which an earlier entry has named unless the history was full by then.
local function enter_held(r, status, flags, more)
  if #r.hist < HISTORY_LIMIT then
    enter(r, status, 128 + flags, more)
  else
    enter(r, status, 16 + flags, pack('>I2c0', #r.runner, r.runner) .. more)
  end
end

-- Place in line: rank and priority descending, due time, arrival; sorts as bytes.
local function place(r, id)
  fixed(r)
  local rank = r.rank <= 253 and char(255 - r.rank) or pack('>BI4', 1, 4294967295 - r.rank)
  return rank .. r.code .. pack('>I6', r.due) .. r.seq .. id
end

-- Parked members carry the limit of their task, to be judged without their record.
local function parked_place(r, id)
  return place(r, id) .. pack('>I4', r.limit)
end

-- Bells that remain to be rung at the end, by queue.
local bells = {}
local function want_bell(queue, n)
  bells[queue] = (bells[queue] or 0) + (n or 1)
end

-- Wake up to 16 parked runner processes for each queue with new work. One that nobody hears is dead: try the next.
local function ring_bells(meta)
  -- Those who listen but were not rung, or not heard, notice by this number.
  if meta and next(bells) then call('HINCRBY', meta, 'w', 1) end
  for queue, n in pairs(bells) do
    n = math.min(n, 16)
    for _, key in ipairs({ P .. 'b:' .. queue, P .. 'b' }) do
      for _ = 1, 64 do
        if n <= 0 then break end
        local top = call('ZPOPMAX', key)
        if not top[1] then break end
        if tonumber(top[2]) < now then
          call('DEL', key)
          break
        end
        if call('SPUBLISH', P .. 'p:' .. top[1], 'W') > 0 then n = n - 1 end
      end
    end
  end
end

local function enqueue(r, id)
  local member = place(r, id)
  if r.due <= now then
    call('ZADD', P .. 'q:' .. r.queue, 0, member)
    want_bell(r.queue)
  else
    local key = P .. 's:' .. r.queue
    call('ZADD', key, r.due, member)
    -- Runners have to learn of a time that is earlier than the one they know.
    if call('ZRANGE', key, 0, 0)[1] == member then want_bell(r.queue) end
  end
  call('SADD', P .. 'Q', r.queue)
end

-- Take it out of its queue; true if it was there.
local function withdraw(r, id)
  local member = place(r, id)
  return call('ZREM', P .. 'q:' .. r.queue, member) == 1 or call('ZREM', P .. 's:' .. r.queue, member) == 1
end

local function deregister(r, id)
  if r.status == 1 and has(r, REGISTRATION) then
    local key = P .. 'r:' .. fixed(r).rkey
    if call('GET', key) == id then call('DEL', key) end
  end
end

-- Outcomes to be told, by the tag of the process that waits.
local told = {}
local function tell_one(tag, id, status, kind, result)
  if tag == Z8 then return end
  local list = told[tag]
  if not list then
    list = { 'F' }
    told[tag] = list
  end
  if #result > tonumber(ARGV[4]) then kind, result = 3, '' end
  list[#list + 1] = pack('>c16BBI4c0', id, status, kind, #result, result)
end

local function tell(r, id, result)
  local kind = has(r, RESULT) and 1 or 2
  tell_one(r.tag, id, r.status, kind, result)
  if has(r, MORE) then
    for _, tag in ipairs(call('SMEMBERS', P .. 'n:' .. id)) do tell_one(tag, id, r.status, kind, result) end
    call('DEL', P .. 'n:' .. id)
  end
end

local function announce()
  for tag, list in pairs(told) do call('SPUBLISH', P .. 'p:' .. tag, table.concat(list)) end
end

-- Keep a finished record, with all that belongs to it, for its retention only.
local function finish(r, id, result, apart)
  fixed(r)
  if apart then
    r.flags, r.result = r.flags + RESULT_APART, ''
    call('SET', P .. 'e:' .. id, result, 'PX', RETENTION)
  else
    r.result = result
  end
  if has(r, ARGS_APART) then call('PEXPIRE', P .. 'd:' .. id, RETENTION) end
  call('SET', P .. 'i:' .. id, encode(r), 'PX', RETENTION)
  call('RPUSH', P .. 'f', pack('>I6', now + RETENTION) .. id .. r.seq)
  tell(r, id, result)
end

-- End it by the engine's own decision.
local function finish_unrun(r, id, status, reason)
  deregister(r, id)
  enter(r, status, 32, pack('>I2c0', #reason, reason))
  r.note = reason
  r.flags = r.flags + REASON
  finish(r, id, reason, false)
end

-- End the claim and the waiting.
local function let_go(r, id)
  call('ZREM', P .. 'l', id)
  call('HDEL', P .. 'w:' .. r.runner, id)
  if has(r, CONCURRENCY) then call('SREM', P .. 'k:' .. fixed(r).ckey, id) end
  r.runner, r.waits = '', ''
end

-- Someone who had, or would have taken, a place under the key of `r` does not: call back the best of those that wait
-- for one and would be admitted now. Looks at the first 500; tasks with other limits may share the key.
local function place_freed(r)
  if not has(r, CONCURRENCY) then return end
  local parked = P .. 'z:' .. fixed(r).ckey
  local members = call('ZRANGE', parked, 0, 499)
  if #members == 0 then return end
  local holders = call('SCARD', P .. 'k:' .. r.ckey)
  for _, member in ipairs(members) do
    if holders < unpack('>I4', member, #member - 3) then
      local id = sub(member, -20, -5)
      call('ZREM', parked, member)
      local next = load(id)
      if next and next.status == 2 then
        enter(next, 3, 0, '')
        save(id, next)
        enqueue(next, id)
        return next.queue
      end
    end
  end
end

-- Forget where it stood in the order of arrival, if it still stands there.
local function forget_order(seq, id)
  local n = unpack('>I5', seq)
  local chunk, at = math.floor(n / CHUNK), (n % CHUNK) * 16
  if call('GETRANGE', P .. 'o:' .. chunk, at, at + 15) ~= id then return end
  if call('HINCRBY', P .. 'o', chunk, -1) <= 0 then
    call('HDEL', P .. 'o', chunk)
    call('DEL', P .. 'o:' .. chunk)
  else
    call('SETRANGE', P .. 'o:' .. chunk, at, Z16)
  end
end

-- A script is not rolled back: a key of a wrong type must fail it before the first write. Any reading will do.
local READ = { hash = 'HLEN', zset = 'ZCARD', set = 'SCARD', list = 'LLEN', string = 'STRLEN' }
local function expect(kind, key)
  return call(READ[kind], key)
end

-- Let it leave the queue, or the parking, before everything that no body of this depth waits for.
local function raise(id, depth)
  local rank, r = math.min(depth + 1, 4294967295), load(id)
  if not r or r.rank >= rank then return end
  fixed(r)
  if r.status == 2 then
    local parked = P .. 'z:' .. r.ckey
    call('ZREM', parked, parked_place(r, id))
    r.rank = rank
    call('ZADD', parked, 0, parked_place(r, id))
  elseif available(r.status) then
    local queued = withdraw(r, id)
    r.rank = rank
    if queued then enqueue(r, id) end
  end
  r.rank = rank
  save(id, r)
end
