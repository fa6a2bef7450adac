-- A part of `beat` and `recover`: record a sign of life of a runner whose leases last `lease` milliseconds. Returns the time
-- before which nothing is recovered. Mirrors `Signs::heard`, `silence` and `soon` in `recover.rs` of the core.
local function note_sign(meta, leases, lease)
  local seen = call('HMGET', meta, 'h', 'g')
  local heard, quiet = tonumber(seen[1] or 0), tonumber(seen[2] or 0)
  local silent = lease > 0 and now - heard > math.floor(lease / $SIGNS_OF_LEASE) * $SIGNS_MISSED
  if silent and call('ZRANGEBYSCORE', leases, '-inf', now + math.floor(lease / $SIGNS_OF_LEASE), 'LIMIT', '0', '1')[1] then
    quiet = now + lease
    call('HSET', meta, 'g', quiet)
  end
  call('HSET', meta, 'h', now)
  return quiet
end
