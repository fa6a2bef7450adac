#!lua flags=allow-oom
-- Queue again, or bury, what dead runners have claimed.
--
-- KEYS: 1 l, 2 f, 3 m, and 4 w:<runner> if that runner is known to be dead: then everything it owns, whatever the leases.
-- Made inside: the records whose lease ended, with what belongs to them.
-- ARGV: 5 most in one call, 6 most recoveries of one invocation, 7 and 8 reason of a burial, before and behind the number of
-- recoveries, 9 grace: lease of the runners in milliseconds, for `note_sign` (0: recover whatever has ended), 10 how the runner
-- died, for the history, 11 reason for invocations to cancel, 12 whether the cause of the death is known and is none of the
-- bodies (1 or 0).
-- Answer: now, next expiry or '', ids queued again, ids buried, ids cancelled, whether this allows other claims (1 or 0; -1:
-- nothing was recovered, because of a stall), ids that were set aside, each followed by what is wrong with its record, how many
-- invocations wait to run alone.
-- [signs]
local LEASES, FINISHED, META, OWNED = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local M = changes()
local limit, most, grace = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[9])
local death, innocent = ARGV[10], ARGV[12] == '1'
local ALONE_NOTE = '$ALONE_NOTE'
call('ZCARD', LEASES)
call('SCARD', P .. 'A')
call('LLEN', FINISHED)
call('HLEN', META)
if OWNED then call('HLEN', OWNED) end
local requeued, buried, cancelled, work = {}, {}, {}, false

local function next_expiry()
  local first = call('ZRANGE', LEASES, '0', '0', 'WITHSCORES')
  return first[2] and tonumber(first[2]) or ''
end

-- [recover/judge]
local ended, records
local fences = {}
if OWNED then
  ended = {}
  local owned = call('HGETALL', OWNED)
  for i = 1, math.min(#owned, 2 * limit), 2 do
    ended[#ended + 1] = owned[i]
    fences[owned[i]] = owned[i + 1]
  end
else
  ended = call('ZRANGEBYSCORE', LEASES, '-inf', now, 'LIMIT', '0', limit)
end
records = {}
for _, id in ipairs(ended) do
  records[id] = M.load(id)
  local r = records[id]
  if r then
    M.check_types(r)
    call('ZCARD', P .. 'q:\$ALONE_MARK' .. r.queue)
    call('ZCARD', P .. 's:\$ALONE_MARK' .. r.queue)
    if claimed(r.status) then judge_company(r.runner) end
  end
end
if not OWNED then
  local quiet = note_sign(META, LEASES, grace)
  if grace > 0 and now < quiet then
    local first = next_expiry()
    return { now, first ~= '' and math.max(first, quiet) or '', {}, {}, {}, -1, M.aside, M.count_alone() }
  end
end
-- Before the first claim ends: if the script is torn, the last body that is left would look like the only one.
for runner, all in pairs(companies) do
  if all.several then call('SET', P .. 'x:' .. runner, '1', 'PX', RETENTION) end
end
for _, id in ipairs(ended) do
  -- Read again: the end of an earlier claim may have queued this invocation.
  local r = records[id] and M.load(id)
  if OWNED and r and r.fence ~= fences[id] then
    -- Another claim owns it, and a torn script left this entry: see `lib/begin.lua`.
    call('HDEL', OWNED, id)
  elseif not r or not claimed(r.status) then
    -- The claim ended, and a torn script left its last keys: see `lib/begin.lua`.
    if r and M.unblock_next(r) then work = true end
    call('ZREM', LEASES, id)
    if OWNED then call('HDEL', OWNED, id) end
  elseif M.has(r, TO_CANCEL) then
    M.end_claim(r, id)
    r.fence = Z8
    M.finish_without_body(r, id, $CANCELLED, ARGV[11])
    cancelled[#cancelled + 1] = id
    if M.unblock_next(r) then work = true end
  else
    recover_claim(r, id)
    if M.unblock_next(r) then work = true end
  end
end
M.end_leases()
for runner, all in pairs(companies) do
  if all.several and call('EXISTS', P .. 'w:' .. runner) == 0 then call('DEL', P .. 'x:' .. runner) end
end
wake_idle(META)
send_notices()
return { now, next_expiry(), requeued, buried, cancelled, work and 1 or 0, M.aside, M.count_alone() }
