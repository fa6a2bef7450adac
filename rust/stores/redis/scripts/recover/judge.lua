-- Part of `recover`: which bodies caused the death of a runner, and what becomes of its claims.

-- Delay before a recovered invocation may run again. Mirrors `backoff` in `recover.rs` of the core.
local function backoff(n)
  if n <= 1 then return 0 end
  return math.min($BACKOFF_MS * 2 ^ math.min(n - 2, $BACKOFF_STEPS), $BACKOFF_LIMIT_MS)
end

-- The bodies that each runner had started, and which of them may have caused its death. Mirrors `Company::new` in `recover.rs`
-- of the core, which gives the reasons. With more than $MOST_COMPANY claims none is blamed: any of them may be the cause.
local companies = {}
local function judge_company(runner)
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
    -- A key of another type is no body; nor is an invocation that another claim owns.
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
  -- For how many suspects each paused body waits, directly or through others.
  local waits = {}
  for _, suspect in ipairs(suspects) do
    local ahead, seen = { suspect.id }, {}
    while ahead[1] do
      for _, one in ipairs(waiters[table.remove(ahead)] or {}) do
        if not seen[one.id] then
          seen[one.id], ahead[#ahead + 1] = true, one.id
          if one.alone then waits[one.id] = (waits[one.id] or 0) + 1 end
        end
      end
    end
  end
  for id, count in pairs(waits) do
    if count == #suspects then all.blamed[id] = true end
  end
end

-- Queue the invocation of a dead runner again, or bury it. Mirrors `judge` in `recover.rs` of the core.
local function recover_claim(r, id)
  local pending = r.status == $PENDING
  local counts = not pending and not innocent and companies[r.runner].blamed[id]
  if counts then r.recoveries = r.recoveries + 1 end
  if death == '' then
    M.enter_by_owner(r, pending and $PENDING_RECOVERY or $RUNNING_RECOVERY, 0, '')
  else
    M.enter_by_owner(r, pending and $PENDING_RECOVERY or $RUNNING_RECOVERY, $HAS_NOTE, pack('$TEXT_FORMAT', #death, death))
  end
  M.end_claim(r, id)
  r.fence = Z8
  if counts and r.recoveries > most then
    M.finish_without_body(r, id, $FAILED, ARGV[7] .. r.recoveries .. ARGV[8])
    buried[#buried + 1] = id
    return
  end
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

