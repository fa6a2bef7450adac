-- What every script begins with; put in front of it when it is sent, before `lib/bells.lua`. See the crate's documentation
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
local now6 = pack('$TIME_FORMAT', now)
local Z8, Z16 = '$NO_TAG', '$NO_ID'
local CHUNK = $CHUNK
local HISTORY_LIMIT = $HISTORY_LIMIT

-- Numbers with a name have it from `layout.rs`.
local function claimed(s) return s == $PENDING or s == $RUNNING or s == $PAUSED end
local function available(s) return s == $REGISTERED or s == $REROUTED or s == $RETRY end

-- Flags of a record.
local ARGS_APART, RESULT_APART, CONCURRENCY, REGISTRATION, RESULT, REASON, MORE, WISHED = $ARGS_APART, $RESULT_APART, $CONCURRENCY, $REGISTRATION, $RESULT, $REASON, $MORE, $TO_CANCEL
-- Where the unchanging part of a packed record ends; it is far shorter than 16 MiB.
local function body_end(raw)
  local high, middle, low = byte(raw, $LENGTH_AT, $LENGTH_END)
  return $LENGTH_END + high * 65536 + middle * 256 + low
end
