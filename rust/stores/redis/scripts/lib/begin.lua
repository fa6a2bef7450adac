-- The first part of the library, which `script.rs` puts in front of every script. The crate's documentation draws the layout.
-- Keep it short: each call of a script makes these functions anew, which costs more than most of their work.
--
-- ARGV of every script: 1 prefix of the shard's keys, 2 time in milliseconds (0: use the server's). Every script but `submit`,
-- which finishes nothing, also has: 3 retention in milliseconds, 4 size in bytes of the largest outcome that a notification
-- carries. The script's own arguments follow.
--
-- Scripts are not rolled back. The unused HLEN, ZCARD, SCARD, LLEN and STRLEN are type checks: they raise WRONGTYPE before the
-- first write.
--
-- The log is not rolled back either. A server that is killed while it writes may keep the first writes of a script, and apply
-- them at its second start (decision 0012). Therefore every write is harmless when it is repeated, or when the writes behind it
-- are missing: a script sets numbers and does not increment them; it removes from a list by name; it adds a place in a queue
-- before the record that names the queue; a lease begins before its claim and ends after it.
--
-- Compare numbers, never strings: Lua compares strings by the server's locale.
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

-- These mirror `Status::is_claimed` and `Status::is_available` in `status.rs` of the core.
local function claimed(s) return s == $PENDING or s == $RUNNING or s == $PAUSED end
local function available(s) return s == $REGISTERED or s == $REROUTED or s == $RETRY end

-- Flags of a record.
local ARGS_APART, RESULT_APART, CONCURRENCY, REGISTRATION, RESULT, REASON, MORE, TO_CANCEL = $ARGS_APART, $RESULT_APART, $CONCURRENCY, $REGISTRATION, $RESULT, $REASON, $MORE, $TO_CANCEL
-- Index of the last byte of a record's body. A body is far shorter than 16 MiB.
local function body_end(raw)
  local high, middle, low = byte(raw, $LENGTH_AT, $LENGTH_END)
  return $LENGTH_END + high * 65536 + middle * 256 + low
end
