-- Any other case, with the library. `usual.lua` lists keys, arguments and answer.
local made
local function m()
  made = made or changes()
  return made
end
local LEASES, OWNED, QUEUES, META, FINISHED, IDLE = KEYS[1], KEYS[2], KEYS[3], P .. 'm', P .. 'f', P .. 'b'
local limit, lease, tag, fences, lost = tonumber(ARGV[5]) + 1, tonumber(ARGV[6]), ARGV[9], ARGV[10], ARGV[11]
local NAMED = sub(ARGV[7], 1, -$BUT_CLAIM_TAIL)
local runner, begin = sub(NAMED, $PAST_NAME_LENGTH), #ARGV[8] > #NAMED
local reason = '$DROP_REASON'
call('ZCARD', LEASES)
call('HLEN', OWNED)
local names = {}
for i = 12, #ARGV do names[#names + 1] = ARGV[i] end
local every = #names == 0
if every then names = call('SMEMBERS', QUEUES) end
local heads, due, firsts = {}, {}, {}
for i, name in ipairs(names) do
  local scheduled = P .. 's:' .. name
  firsts[i] = call('ZRANGE', scheduled, '0', '0', 'WITHSCORES')
  if firsts[i][1] and tonumber(firsts[i][2]) <= now then
    due[i] = call('ZRANGEBYSCORE', scheduled, '-inf', string.format('%.0f', now), 'LIMIT', '0', '$MOST_LOOKED_AT')
    firsts[i] = nil
  end
  heads[name] = call('ZRANGE', P .. 'q:' .. name, '0', '0')[1] or false
  if tag ~= '' and not every then call('ZCARD', P .. 'b:' .. name) end
end
if tag ~= '' and every then call('ZCARD', IDLE) end

local claims, dropped, owned, taken, found = {}, {}, {}, 0, 0

-- [claim/arguments]
-- [claim/recall]
for i, name in ipairs(names) do
  if due[i] then
    for _, member in ipairs(due[i]) do call('ZADD', P .. 'q:' .. name, '0', member) end
    call('ZREM', P .. 's:' .. name, spread(due[i]))
    heads[name] = nil
  end
end

-- [claim/best]
-- [claim/take]
-- Look at $MOST_LOOKED_AT invocations at most in one call, whether they are admitted or not.
local work, looked = false, 0
local goal = limit - found
-- An invocation may be in the queue twice, or be queued again at its own place: see `lib/begin.lua`.
local seen = {}
while taken < goal and looked < $MOST_LOOKED_AT do
  local members, keys, raws, name = peek(math.min(goal - taken, $MOST_LOOKED_AT - looked))
  if #members == 0 then break end
  local last = #members
  for at, member in ipairs(members) do
    local id, raw = sub(member, -$ID_SIZE), raws[at]
    if seen[id] then
      moved = true
    elseif raw then
      seen[id] = available(byte(raw, 1)) or nil
      local queue, back
      if #raw >= $SHORTEST and byte(raw, 2) % $RESULT_APART == $ARGS_APART and available(byte(raw, 1)) and not arguments(id) then
        m().set_aside(id, raw, 'its arguments are gone, or no string')
      elseif not take_fresh(id, keys[at], raw) then
        local r = m().readable(id, raw)
        if r then queue, back = admit(id, r) end
      end
      if queue then
        -- An invocation was queued again, which may come before the rest: look again.
        heads, work, last = {}, true, at
        for i = at, 1, -1 do
          if sub(members[i], -$ID_SIZE) == back then
            table.remove(members, i)
            last = last - 1
          end
        end
        break
      end
    end
  end
  if #records > 0 then
    call('ZADD', LEASES, spread(terms))
    call('MSET', spread(records))
    records, terms = {}, {}
  end
  if last > 0 then call('ZREM', P .. 'q:' .. name, spread(members, 1, last)) end
  heads[name] = nil
  looked = looked + last
end

for i = 1, #owned, $MOST_SET do call('HSET', OWNED, spread(owned, i, math.min(i + $MOST_SET_LESS_ONE, #owned))) end

local next_due = ''
local waiting = taken + found < limit
for i, name in ipairs(names) do
  local first = not moved and firsts[i] or call('ZRANGE', P .. 's:' .. name, '0', '0', 'WITHSCORES')
  if first[1] then
    if next_due == '' or tonumber(first[2]) < next_due then next_due = tonumber(first[2]) end
  elseif every and waiting and not head(name) then
    call('SREM', QUEUES, name)
  end
end
if waiting and tag ~= '' then
  local lists = {}
  if every then lists[1] = IDLE else for _, name in ipairs(names) do lists[#lists + 1] = P .. 'b:' .. name end end
  for _, key in ipairs(lists) do
    call('ZADD', key, now + $IDLE_MS, tag)
    call('PEXPIRE', key, '$IDLE_KEY_MS')
  end
end
wake_idle(META)
send_notices()
return { { now, next_due, dropped, (work or (made and made.aside[1])) and 1 or 0, found, made and made.aside or {} }, spread(claims) }
