#!lua flags=allow-oom
-- Cancel invocations that wait for a runner: a piece of all queues.
--
-- KEYS: 1 Q, 2 f, 3 m. Made inside: A, all queues, the records in them with what belongs to them.
-- ARGV: 5 reason, 6 most in one call.
-- Answer: ids of the cancelled invocations; how many places in queues were removed; ids of the invocations that were set aside,
-- each followed by what is wrong with its record.
local QUEUES, FINISHED, META = KEYS[1], KEYS[2], KEYS[3]
local M = changes()
call('LLEN', FINISHED)
call('HLEN', META)
local reason, left = ARGV[5], tonumber(ARGV[6])
local pieces, cleared = {}, 0
local names = call('SMEMBERS', QUEUES)
-- Invocations that run alone in their process wait in queues of their own.
for _, name in ipairs(call('SMEMBERS', P .. 'A')) do names[#names + 1] = name end
for _, name in ipairs(names) do
  for _, kind in ipairs({ 'q:', 's:' }) do
    local members = left > cleared and call('ZRANGE', P .. kind .. name, '0', string.format('%d', left - cleared - 1)) or {}
    if members[1] then
      local piece = { key = P .. kind .. name, members = members, keys = {} }
      for i, member in ipairs(members) do piece.keys[i] = P .. 'i:' .. sub(member, -$ID_SIZE) end
      piece.raws = get_all(piece.keys)
      pieces[#pieces + 1] = piece
      cleared = cleared + #members
    end
  end
end

-- Whether the record is as it arrived, has no concurrency or registration key, and at most one process waits for it.
local function is_fresh(raw)
  return #raw >= $SHORTEST and byte(raw, 1) == $REGISTERED and byte(raw, 2) <= ARGS_APART and #raw == body_end(raw) + $EMPTY_END
end
for _, piece in ipairs(pieces) do
  for _, raw in ipairs(piece.raws) do
    local r = raw and not is_fresh(raw) and M.examine(raw)
    if r then M.check_types(r) end
  end
end

local entry = char($CANCELLED + $HAS_NOTE) .. now6 .. pack('$TEXT_FORMAT', #reason, reason)
local TAIL = pack('$WITHDRAWN_TAIL_FORMAT', 0, #reason, reason, 0, #entry, entry) .. reason
local ENDS = pack('$TIME_FORMAT', now + RETENTION)
local seen, withdrawn, fresh, finished = {}, {}, {}, {}
for _, piece in ipairs(pieces) do
  for i, raw in ipairs(piece.raws) do
    local id = sub(piece.members[i], -$ID_SIZE)
    if raw and not seen[id] and is_fresh(raw) then
      seen[id] = true
      fresh[#fresh + 1] = { id, piece.keys[i], raw }
      finished[#finished + 1] = ENDS .. id .. sub(raw, $SEQ_AT, $SEQ_END)
      withdrawn[#withdrawn + 1] = id
    end
  end
end
if finished[1] then call('RPUSH', FINISHED, spread(finished)) end
for _, one in ipairs(fresh) do
  local id, key, raw = spread(one)
  local flags = byte(raw, 2)
  if flags == ARGS_APART then call('PEXPIRE', P .. 'd:' .. id, RETENTION) end
  call('SET', key, char($CANCELLED, flags + REASON) .. sub(raw, $FENCE_AT, -$BUT_EMPTY) .. TAIL, 'PX', RETENTION)
  notify(sub(raw, $TAG_AT, $TAG_END), id, $CANCELLED, $TOLD_BY_ENGINE, reason)
end
for _, piece in ipairs(pieces) do
  for i, raw in ipairs(piece.raws) do
    local id = sub(piece.members[i], -$ID_SIZE)
    local r = raw and not seen[id] and M.readable(id, raw)
    seen[id] = true
    if r and available(r.status) then
      -- If its concurrency key had admitted it again, the key admits another one now.
      M.unblock_next(r)
      M.finish_without_body(r, id, $CANCELLED, reason)
      withdrawn[#withdrawn + 1] = id
    end
  end
  call('ZREM', piece.key, spread(piece.members))
end
wake_idle(META)
send_notices()
return { withdrawn, cleared, M.aside }
