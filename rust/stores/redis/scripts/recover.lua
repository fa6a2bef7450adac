#!lua flags=allow-oom
-- Queue again, or bury, what dead runners left behind.
--
-- KEYS: 1 l, 2 f, 3 m, and 4 w:<runner> if that runner is known to be dead: then all it owns, whatever the leases.
-- Found inside: the records whose lease ended with what belongs to them.
-- ARGV: 5 most in one call, 6 most recoveries of one invocation, 7 words of the reason of a burial before and 8 after the
-- number, 9 grace: lease of the runners in milliseconds, for `hear` (0: recovers whatever has ended), 10 how the runner died, for the history, 11 reason of those
-- whose cancellation was wished for.
-- Answer: now, next expiry or '', ids queued again, ids buried, ids cancelled, whether others may claim something now, ids
-- of those that were set aside, each with what is wrong with it.
-- [signs]
local M = moves()
local limit, most, grace = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[9])
local dead, death = KEYS[4], ARGV[10]
call('ZCARD', KEYS[1])
call('LLEN', KEYS[2])
call('HLEN', KEYS[3])
if dead then call('HLEN', dead) end
local requeued, buried, cancelled, work = {}, {}, {}, false

local function next_expiry()
  local first = call('ZRANGE', KEYS[1], '0', '0', 'WITHSCORES')
  return first[2] and tonumber(first[2]) or ''
end

local function backoff(n)
  if n <= 1 then return 0 end
  return math.min(500 * 2 ^ math.min(n - 2, 6), 30000)
end

local ended, records
local fences = {}
if dead then
  ended = {}
  local owned = call('HGETALL', dead)
  for i = 1, math.min(#owned, 2 * limit), 2 do
    ended[#ended + 1] = owned[i]
    fences[owned[i]] = owned[i + 1]
  end
else
  ended = call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', '0', limit)
end
records = {}
for _, id in ipairs(ended) do
  records[id] = M.load(id)
  if records[id] then M.expect_places(records[id]) end
end
if not dead then
  local quiet = hear(KEYS[3], KEYS[1], grace)
  if grace > 0 and now < quiet then
    local first = next_expiry()
    return { now, first ~= '' and math.max(first, quiet) or '', {}, {}, {}, 0, M.aside }
  end
end
for _, id in ipairs(ended) do
  -- Read again: an earlier one may have called it back.
  local r = records[id] and M.load(id)
  if dead and r and r.fence ~= fences[id] then
    -- Somebody else's by now: see `lib.lua`.
    call('HDEL', dead, id)
  elseif not r or not claimed(r.status) then
    -- Let go of, but for what comes last: see `lib.lua`.
    if r and M.place_freed(r) then work = true end
    call('ZREM', KEYS[1], id)
    if dead then call('HDEL', dead, id) end
  elseif M.has(r, WISHED) then
    M.let_go(r, id)
    r.fence = Z8
    M.finish_unrun(r, id, 14, ARGV[11])
    cancelled[#cancelled + 1] = id
    if M.place_freed(r) then work = true end
  else
    local pending = r.status == 4
    if not pending then r.recoveries = r.recoveries + 1 end
    if death == '' then
      M.enter_held(r, pending and 5 or 7, 0, '')
    else
      M.enter_held(r, pending and 5 or 7, 32, pack('>I2c0', #death, death))
    end
    M.let_go(r, id)
    r.fence = Z8
    if not pending and r.recoveries > most then
      M.finish_unrun(r, id, 12, ARGV[7] .. r.recoveries .. ARGV[8])
      buried[#buried + 1] = id
    else
      M.enter(r, 3, 0, '')
      local delay = backoff(r.recoveries)
      if delay > 0 then r.due = now + delay end
      M.enqueue(r, id)
      M.save(id, r)
      requeued[#requeued + 1] = id
      work = true
    end
    if M.place_freed(r) then work = true end
  end
end
M.part()
ring_bells(KEYS[3])
announce()
return { now, next_expiry(), requeued, buried, cancelled, work and 1 or 0, M.aside }
