#!lua flags=allow-oom
-- A running body waits for other invocations: running to paused. Its targets move to the front of their queues.
--
-- KEYS: 1 the record of the waiter, then those of its targets in this shard.
-- Made inside: records that the search for a cycle visits; queues of the targets.
-- ARGV: 5 fence, 6 ids of targets in other shards.
-- Answer: 'P' paused; 'F' and an id: not found; 'O' and a status: not the owner; 'T' and a status: cannot pause; 'E': no
-- targets; 'R' and ids of finished targets; 'C' and the ids of a cycle.
local WAITER = KEYS[1]
local M = changes()
local id, elsewhere = sub(WAITER, -$ID_SIZE), ARGV[6]
local r = M.load(id)
if not r then return { 'F', id } end
if not claimed(r.status) or r.fence ~= ARGV[5] then return { 'O', r.status } end
if r.status == $PENDING then return { 'T', r.status } end
if #KEYS == 1 and elsewhere == '' then return { 'E' } end
local targets, records, ready = {}, {}, {}
for i = 2, #KEYS do
  local target = sub(KEYS[i], -$ID_SIZE)
  targets[#targets + 1] = target
  local t, raw = M.load(target)
  if not raw then return { 'F', target } end
  records[target] = t
  -- An unreadable target has been set aside as failed.
  if not t or t.status >= $SUCCESS then ready[#ready + 1] = target end
end
if #ready > 0 then return { 'R', spread(ready) } end

-- What must finish before this invocation can go on: the targets of its body, or the holders of its concurrency key. This and
-- `cycle` mirror `waits` and `cycle` in `memory/cycle.rs` of the core.
local function waits_for(target)
  local t = records[target] or M.load(target)
  local found = {}
  if not t then return found end
  if t.status == $PAUSED then
    for i = 1, #t.waits, $ID_SIZE do found[#found + 1] = sub(t.waits, i, i + $ID_LAST) end
  elseif not claimed(t.status) and t.status < $SUCCESS and M.has(t, CONCURRENCY) and M.with_body(t).drop == 0
    and call('SCARD', P .. 'k:' .. t.ckey) >= t.limit then
    found = call('SMEMBERS', P .. 'k:' .. t.ckey)
  end
  return found
end

-- Depth first. The path to the current invocation is the last id of each level. Gives up after $MOST_SEARCHED invocations: that
-- may miss a cycle, but does not block the server.
local function cycle()
  local seen, looked = {}, 0
  local levels = { { id }, { spread(targets) } }
  while #levels > 0 and looked < $MOST_SEARCHED do
    local level = levels[#levels]
    local last = level[#level]
    if not last then
      levels[#levels] = nil
      local upper = levels[#levels]
      if upper then upper[#upper] = nil end
    elseif last == id and #levels > 1 then
      local path = { 'C' }
      for _, l in ipairs(levels) do path[#path + 1] = l[#l] end
      return path
    elseif #levels == 1 then
      return nil
    elseif not seen[last] then
      seen[last], looked = true, looked + 1
      levels[#levels + 1] = waits_for(last)
    else
      level[#level] = nil
    end
  end
end
local path = cycle()
if path then return path end

for _, target in ipairs(targets) do M.check_types(records[target]) end
for _, target in ipairs(targets) do M.raise(target, M.with_body(r).depth) end
r = M.load(id)
if r.status ~= $PAUSED then M.enter_by_owner(r, $PAUSED, 0, '') end
local all, sorted = {}, {}
for i = 1, #r.waits, $ID_SIZE do all[sub(r.waits, i, i + $ID_LAST)] = true end
for i = 1, #elsewhere, $ID_SIZE do all[sub(elsewhere, i, i + $ID_LAST)] = true end
for _, target in ipairs(targets) do all[target] = true end
for target in pairs(all) do sorted[#sorted + 1] = target end
r.waits = table.concat(sorted)
M.save(id, r)
return { 'P' }
