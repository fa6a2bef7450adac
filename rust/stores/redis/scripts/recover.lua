#!lua flags=allow-oom
-- Queue again, or bury, what dead runners left behind.
--
-- KEYS: 1 l, 2 f, 3 m, and 4 w:<runner> if that runner is known to be dead: then all it owns, whatever the leases.
-- Found inside: the records whose lease ended with what belongs to them.
-- ARGV: 5 most in one call, 6 most recoveries of one invocation, 7 words of the reason of a burial before and 8 after the
-- number, 9 grace: lease of the runners in milliseconds, for `hear` (0: recovers whatever has ended), 10 how the runner
-- died, for the history, 11 reason of those whose cancellation was wished for, 12 whether the cause of the death is known
-- and none of the bodies (1 or 0).
-- Answer: now, next expiry or '', ids queued again, ids buried, ids cancelled, whether others may claim something now (-1:
-- nothing was recovered, because of a stall), ids of those that were set aside, each with what is wrong with it, how many
-- wait to run alone.
-- [signs]
local M = moves()
local limit, most, grace = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[9])
local dead, death, innocent = KEYS[4], ARGV[10], ARGV[12] == '1'
local ALONE_NOTE = '$ALONE_NOTE'
call('ZCARD', KEYS[1])
call('SCARD', P .. 'A')
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
  return math.min($BACKOFF_MS * 2 ^ math.min(n - 2, $BACKOFF_STEPS), $BACKOFF_LIMIT_MS)
end

-- The bodies that a runner had started, and which of them are taken for the cause of its death: `Company::new` in
-- `recover.rs` of the core says why. Of more than 1000 claims none is looked at: any may have been the cause.
local companies = {}
local function meet(runner)
  if companies[runner] then return end
  local key, all = P .. 'w:' .. runner, { blamed = {}, several = call('EXISTS', P .. 'x:' .. runner) == 1 }
  companies[runner] = all
  if call('HLEN', key) > $MOST_COMPANY then
    all.several = true
    return
  end
  local owned, running, paused, waiters, was_more = call('HGETALL', key), {}, {}, {}, all.several
  for i = 1, #owned, 2 do
    local id = owned[i]
    local raw = redis.pcall('GET', P .. 'i:' .. id)
    -- One of another type is none of its bodies; nor is one that is somebody else's by now.
    if type(raw) == 'string' and sub(raw, $FENCE_AT, $FENCE_END) == owned[i + 1] then
      local status = byte(raw)
      if status == $RUNNING then
        running[#running + 1] = { id = id, alone = (byte(raw, $RELEASES_AT) or 0) >= $ALONE_BIT }
      elseif status == $PAUSED then
        local r = M.examine(raw)
        local one, waits = { id = id, alone = r and M.is_alone(r) }, r and r.waits or ''
        paused[#paused + 1] = one
        for at = 1, #waits, $ID_SIZE do
          local target = sub(waits, at, at + $ID_LAST)
          waiters[target] = waiters[target] or {}
          table.insert(waiters[target], one)
        end
      end
    end
  end
  all.several = was_more or #running + #paused > 1
  local only, suspects = not was_more and #running == 1, {}
  for _, one in ipairs(running) do
    if one.alone or only then suspects[#suspects + 1] = one end
  end
  if #running == 0 and not all.several then suspects = paused end
  for _, one in ipairs(suspects) do all.blamed[one.id] = true end
  if not suspects[1] then suspects = running end
  -- How many of them each of those that wait waits for, by way of others too.
  local waits = {}
  for _, suspect in ipairs(suspects) do
    local ahead, met = { suspect.id }, {}
    while ahead[1] do
      for _, one in ipairs(waiters[table.remove(ahead)] or {}) do
        if not met[one.id] then
          met[one.id], ahead[#ahead + 1] = true, one.id
          if one.alone then waits[one.id] = (waits[one.id] or 0) + 1 end
        end
      end
    end
  end
  for id, count in pairs(waits) do
    if count == #suspects then all.blamed[id] = true end
  end
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
  local r = records[id]
  if r then
    M.expect_places(r)
    call('ZCARD', P .. 'q:\$ALONE_MARK' .. r.queue)
    call('ZCARD', P .. 's:\$ALONE_MARK' .. r.queue)
    if claimed(r.status) then meet(r.runner) end
  end
end
if not dead then
  local quiet = hear(KEYS[3], KEYS[1], grace)
  if grace > 0 and now < quiet then
    local first = next_expiry()
    return { now, first ~= '' and math.max(first, quiet) or '', {}, {}, {}, -1, M.aside, M.tidy_alone() }
  end
end
-- Before the first of them is let go of: what is left by a script that was torn would look like the only one.
for runner, all in pairs(companies) do
  if all.several then call('SET', P .. 'x:' .. runner, '1', 'PX', RETENTION) end
end
for _, id in ipairs(ended) do
  -- Read again: an earlier one may have called it back.
  local r = records[id] and M.load(id)
  if dead and r and r.fence ~= fences[id] then
    -- Somebody else's by now: see `lib/begin.lua`.
    call('HDEL', dead, id)
  elseif not r or not claimed(r.status) then
    -- Let go of, but for what comes last: see `lib/begin.lua`.
    if r and M.place_freed(r) then work = true end
    call('ZREM', KEYS[1], id)
    if dead then call('HDEL', dead, id) end
  elseif M.has(r, WISHED) then
    M.let_go(r, id)
    r.fence = Z8
    M.finish_unrun(r, id, $CANCELLED, ARGV[11])
    cancelled[#cancelled + 1] = id
    if M.place_freed(r) then work = true end
  else
    local pending = r.status == $PENDING
    local counts = not pending and not innocent and companies[r.runner].blamed[id]
    if counts then r.recoveries = r.recoveries + 1 end
    if death == '' then
      M.enter_held(r, pending and $PENDING_RECOVERY or $RUNNING_RECOVERY, 0, '')
    else
      M.enter_held(r, pending and $PENDING_RECOVERY or $RUNNING_RECOVERY, $HAS_NOTE, pack('$TEXT_FORMAT', #death, death))
    end
    M.let_go(r, id)
    r.fence = Z8
    if counts and r.recoveries > most then
      M.finish_unrun(r, id, $FAILED, ARGV[7] .. r.recoveries .. ARGV[8])
      buried[#buried + 1] = id
    else
      if not pending and not innocent and not M.is_alone(r) then r.releases = r.releases + M.ALONE end
      if M.is_alone(r) then
        M.enter(r, $REROUTED, $HAS_NOTE, pack('$TEXT_FORMAT', #ALONE_NOTE, ALONE_NOTE))
      else
        M.enter(r, $REROUTED, 0, '')
      end
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
for runner, all in pairs(companies) do
  if all.several and call('EXISTS', P .. 'w:' .. runner) == 0 then call('DEL', P .. 'x:' .. runner) end
end
ring_bells(KEYS[3])
announce()
return { now, next_expiry(), requeued, buried, cancelled, work and 1 or 0, M.aside, M.tidy_alone() }
