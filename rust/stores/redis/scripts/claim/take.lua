-- Part of `claim`: make one claim.

-- Text, because the server formats numbers slowly.
local ENDS = string.format('%.0f', now + lease)
local function own(id, fence)
  taken = taken + 1
  owned[#owned + 1] = id
  owned[#owned + 1] = fence
end

local function next_fence()
  return sub(fences, $FENCE_SIZE * taken + 1, $FENCE_SIZE * taken + $FENCE_SIZE)
end

local function take(id, r)
  r.fence = next_fence()
  r.runner = runner
  m().enter(r, $PENDING, $NAMES_RUNNER, NAMED)
  if begin then m().enter_by_owner(r, $RUNNING, 0, '') end
  local raw = m().encode(r)
  call('ZADD', LEASES, ENDS, id)
  call('SET', P .. 'i:' .. id, raw)
  m().deregister(r, id)
  own(id, r.fence)
  give(id, raw, r)
end

-- `take` without unpacking, for a record that is as it arrived and has no keys. Writes it together with other records. Answers
-- whether it did.
local STATUS = begin and '\$RUNNING' or '\$PENDING'
local TAIL = ARGV[7] .. now6 .. ARGV[8] .. (begin and now6 or '')
local records, terms = {}, {}
local function take_fresh(id, key, raw)
  local status, flags = byte(raw, 1, 2)
  if status ~= $REGISTERED or #raw < $SHORTEST or flags % $MORE >= CONCURRENCY or #raw ~= body_end(raw) + $EMPTY_END then return false end
  local fence = next_fence()
  raw = STATUS .. char(flags) .. fence .. sub(raw, $TAG_AT, -$BUT_EMPTY) .. TAIL
  records[#records + 1] = key
  records[#records + 1] = raw
  terms[#terms + 1] = ENDS
  terms[#terms + 1] = id
  own(id, fence)
  claims[#claims + 1] = id
  claims[#claims + 1] = raw
  claims[#claims + 1] = flags % $RESULT_APART == $ARGS_APART and arguments(id) or ''
  return true
end

-- Claim, block or drop an invocation, as its concurrency key admits. Answers the queue and the id of another invocation that
-- was queued again instead, if there is one. Mirrors `admit` in `claim.rs` of the core.
local moved = false
local function admit(id, r)
  moved = true
  if not r or not available(r.status) then return end
  local holders = m().has(r, CONCURRENCY) and call('SCARD', P .. 'k:' .. m().with_body(r).ckey) or -1
  if holders < 0 then
    take(id, r)
  elseif holders < r.limit then
    take(id, r)
    call('SADD', P .. 'k:' .. r.ckey, id)
  elseif r.drop == 1 then
    m().finish_without_body(r, id, $DROPPED, reason)
    dropped[#dropped + 1] = id
    dropped[#dropped + 1] = r.task
  else
    m().enter(r, $BLOCKED, 0, '')
    call('ZADD', P .. 'z:' .. r.ckey, '0', m().blocked_place(r, id))
    m().save(id, r)
    -- It may have been queued again in place of an invocation with a higher limit.
    return m().unblock_next(r)
  end
end

