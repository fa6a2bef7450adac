-- What every script begins with; put in front of it when it is sent, before `moves.lua`. See the crate's documentation
-- for the layout. Kept short: making these functions anew in every call costs more than most of what they do.
--
-- ARGV of every script: 1 prefix of the shard's keys, 2 time in milliseconds (0: the server's); of all but submit, which
-- finishes nothing: 3 retention in milliseconds, 4 largest outcome that travels in a notification, in bytes. What
-- follows is the script's own.
--
-- A script is not rolled back: a key of a wrong type must fail it before the first write. That is what the HLEN, ZCARD,
-- SCARD, LLEN and STRLEN are for whose answer nobody looks at.
--
-- Nor is its log: killed while it writes, a server may keep the first writes of a script, and make them when it starts for
-- the second time (decision 0012). So whatever a script writes means the same when it is made twice, or makes no difference
-- without what should follow: numbers are set, not counted up; what leaves a list is named; a place in a queue comes before
-- the record that says so, and the lease that guards a claim begins before that and ends after it.
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
local Z8, Z16 = '\0\0\0\0\0\0\0\0', '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
local CHUNK = $CHUNK
local HISTORY_LIMIT = $HISTORY_LIMIT

-- Numbers with a name have it from `layout.rs`.
local function claimed(s) return s == $PENDING or s == $RUNNING or s == $PAUSED end
local function available(s) return s == $REGISTERED or s == $REROUTED or s == $RETRY end

-- Flags of a record.
local ARGS_APART, RESULT_APART, CONCURRENCY, REGISTRATION, RESULT, REASON, MORE, WISHED = $ARGS_APART, $RESULT_APART, $CONCURRENCY, $REGISTRATION, $RESULT, $REASON, $MORE, $WISHED
-- Where the unchanging part of a packed record ends; it is far shorter than 16 MiB.
local function body_end(raw)
  local high, middle, low = byte(raw, $LENGTH_AT, $LENGTH_END)
  return $LENGTH_END + high * 65536 + middle * 256 + low
end

-- Bells that remain to be rung at the end, by queue.
local bells = {}
local function want_bell(queue, n)
  bells[queue] = (bells[queue] or 0) + (n or 1)
end

-- Wake up to 16 parked runner processes for each queue with new work. One that nobody hears is dead: try the next.
local function ring_bells(meta)
  -- Those who listen but were not rung, or not heard, notice by this number.
  if meta and next(bells) then call('HINCRBY', meta, 'w', '1') end
  for queue, n in pairs(bells) do
    n = math.min(n, $MOST_BELLS)
    for _, key in ipairs({ P .. 'b:' .. queue, P .. 'b' }) do
      for _ = 1, $MOST_DEAD_BELLS do
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

-- Outcomes to be told, by the tag of the process that waits.
local told = {}
local function tell_one(tag, id, status, kind, result)
  if tag == Z8 then return end
  local list = told[tag]
  if not list then
    list = { 'F' }
    told[tag] = list
  end
  if #result > tonumber(ARGV[4]) then kind, result = $TOLD_TO_ASK, '' end
  list[#list + 1] = pack('>c16BBI4c0', id, status, kind, #result, result)
end

local function announce()
  for tag, list in pairs(told) do call('SPUBLISH', P .. 'p:' .. tag, table.concat(list)) end
end

-- The record at this key: false if there is none, '' if it is of another type.
local function get_one(key)
  local raw = redis.pcall('GET', key)
  if type(raw) ~= 'table' then return raw end
  -- Any other error stops the script.
  return string.find(raw.err, 'WRONGTYPE', 1, true) and '' or call('GET', key)
end

-- The records of these keys.
local function get_all(keys)
  local raws = call('MGET', spread(keys))
  for i = 1, #keys do
    -- One of a wrong type looks like none.
    if not raws[i] then raws[i] = get_one(keys[i]) end
  end
  return raws
end
