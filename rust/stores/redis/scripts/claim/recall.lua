-- Part of `claim`: claims of this runner whose answers were lost. The runner knows their fences, and receives them again.
if lost ~= '' then
  local mine = {}
  for i = 1, #lost, $FENCE_SIZE do mine[sub(lost, i, i + $FENCE_LAST)] = true end
  local all = call('HGETALL', OWNED)
  for i = 1, #all, 2 do
    local r, raw
    if mine[all[i + 1]] then r, raw = m().load(all[i]) end
    if r then
      give(all[i], raw, r)
      found = found + 1
    end
  end
end

