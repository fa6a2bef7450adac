#!lua flags=allow-oom
-- Withdraw what waits for a runner, whatever it is: a piece of all queues.
--
-- KEYS: 1 Q, 2 f, 3 m. Found inside: A, all queues, the records in them with what belongs to them.
-- ARGV: 5 reason, 6 most in one call.
-- Answer: ids of those withdrawn; how many places in queues were cleared; ids of those set aside, each with what is wrong.
local M = moves()
call('LLEN', KEYS[2])
call('HLEN', KEYS[3])
local reason, left = ARGV[5], tonumber(ARGV[6])
local pieces, cleared = {}, 0
local names = call('SMEMBERS', KEYS[1])
-- Those that run alone in their process wait in queues of their own.
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

-- Never touched since it arrived, no keys to look after, nobody beside the one in the record is to be told.
local function is_fresh(raw)
  return #raw >= $SHORTEST and byte(raw, 1) == $REGISTERED and byte(raw, 2) <= ARGS_APART and #raw == body_end(raw) + $EMPTY_END
end
for _, piece in ipairs(pieces) do
  for _, raw in ipairs(piece.raws) do
    local r = raw and not is_fresh(raw) and M.examine(raw)
    if r then M.expect_places(r) end
  end
end

local entry = char($CANCELLED + $HAS_NOTE) .. now6 .. pack('$TEXT_FORMAT', #reason, reason)
local TAIL = pack('$WITHDRAWN_TAIL_FORMAT', 0, #reason, reason, 0, #entry, entry) .. reason
local ENDS = pack('$TIME_FORMAT', now + RETENTION)
local met, withdrawn, fresh, finished = {}, {}, {}, {}
for _, piece in ipairs(pieces) do
  for i, raw in ipairs(piece.raws) do
    local id = sub(piece.members[i], -$ID_SIZE)
    if raw and not met[id] and is_fresh(raw) then
      met[id] = true
      fresh[#fresh + 1] = { id, piece.keys[i], raw }
      finished[#finished + 1] = ENDS .. id .. sub(raw, $SEQ_AT, $SEQ_END)
      withdrawn[#withdrawn + 1] = id
    end
  end
end
if finished[1] then call('RPUSH', KEYS[2], spread(finished)) end
for _, one in ipairs(fresh) do
  local id, raw = one[1], one[3]
  local flags = byte(raw, 2)
  if flags == ARGS_APART then call('PEXPIRE', P .. 'd:' .. id, RETENTION) end
  call('SET', one[2], char($CANCELLED, flags + REASON) .. sub(raw, $FENCE_AT, -$BUT_EMPTY) .. TAIL, 'PX', RETENTION)
  tell_one(sub(raw, $TAG_AT, $TAG_END), id, $CANCELLED, $TOLD_BY_ENGINE, reason)
end
for _, piece in ipairs(pieces) do
  for i, raw in ipairs(piece.raws) do
    local id = sub(piece.members[i], -$ID_SIZE)
    local r = raw and not met[id] and M.known(id, raw)
    met[id] = true
    if r and available(r.status) then
      -- It may have been called back to a place under its key: that is another's then.
      M.place_freed(r)
      M.finish_unrun(r, id, $CANCELLED, reason)
      withdrawn[#withdrawn + 1] = id
    end
  end
  call('ZREM', piece.key, spread(piece.members))
end
ring_bells(KEYS[3])
announce()
return { withdrawn, cleared, M.aside }
