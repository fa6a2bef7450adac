-- Part of `claim`: the best place over several queues.

-- Whether the bytes of `a` sort before those of `b`.
local function before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = byte(a, i), byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- The best place of a queue, or false.
local function head(name)
  if heads[name] == nil then heads[name] = call('ZRANGE', P .. 'q:' .. name, '0', '0')[1] or false end
  return heads[name]
end

-- The best place, and its queue. `order` says how several named queues are served: `AS_NAMED` takes the first queue that has
-- anything, `IN_TURN` one from each, nil treats them as one queue. Mirrors `QueueOrder::choose` in `claim.rs` of the core.
local order, turn = byte(fences, $FENCE_SIZE * limit + 1), 1
local function best()
  local first, where
  if order then
    local waited_for
    for i = 0, #names - 1 do
      local at = order == $IN_TURN and (turn + i - 1) % #names + 1 or i + 1
      local member = head(names[at])
      if member and not first then first, where = member, at end
      waited_for = waited_for or member and byte(member) < $NOT_WAITED_FOR
    end
    if not first then return end
    if not waited_for then
      turn = where + 1
      return first, names[where]
    end
    first, where = nil, nil
  end
  for _, name in ipairs(names) do
    local member = head(name)
    if member and (not first or before(member, first)) then first, where = member, name end
  end
  return first, where
end

-- The best places with their records, up to `most`: several from one queue if the other queues are empty, else one.
local function peek(most)
  local first, where = best()
  if not first then return {} end
  local others = false
  -- In the orders `AS_NAMED` and `IN_TURN`, other queues may have a target of a waiting body.
  for _, name in ipairs(names) do others = others or (name ~= where and head(name)) end
  local members, keys = { first }, {}
  if most > 1 and not others then
    members = call('ZRANGE', P .. 'q:' .. where, '0', string.format('%d', most - 1))
  end
  for i, member in ipairs(members) do keys[i] = P .. 'i:' .. sub(member, -$ID_SIZE) end
  local raws = get_all(keys)
  for _, raw in ipairs(raws) do
    if raw and (#raw < $SHORTEST or byte(raw, 2) % $RESULT >= CONCURRENCY) then
      call('HLEN', META)
      call('LLEN', FINISHED)
      local r = m().examine(raw)
      if r then m().check_types(r) end
    end
  end
  return members, keys, raws, where
end

