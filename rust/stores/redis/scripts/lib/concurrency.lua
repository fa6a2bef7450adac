  -- A claim ends, and the place under a concurrency key goes to the next one.

  -- End the claim and the waiting. The lease ends last, when the record says so: see `part`.
  local parting = {}
  local function let_go(r, id)
    parting[#parting + 1] = id
    call('HDEL', P .. 'w:' .. r.runner, id)
    if has(r, WISHED) then call('SREM', P .. 'c:' .. r.runner, id) end
    if has(r, CONCURRENCY) then call('SREM', P .. 'k:' .. fixed(r).ckey, id) end
    r.runner, r.waits = '', ''
  end

  -- To be called at the end of a script that lets go of claims.
  local function part()
    if parting[1] then call('ZREM', P .. 'l', spread(parting)) end
  end

  -- Someone who had, or would have taken, a place under the key of `r` does not: call back the best of those that wait
  -- for one and would be admitted now. Looks at the first 500; tasks with other limits may share the key.
  function place_freed(r)
    if not has(r, CONCURRENCY) then return end
    local parked = P .. 'z:' .. fixed(r).ckey
    local members = call('ZRANGE', parked, '0', '$LAST_BLOCKED_SEEN')
    if #members == 0 then return end
    local holders = call('SCARD', P .. 'k:' .. r.ckey)
    for _, member in ipairs(members) do
      if holders < unpack('$LIMIT_FORMAT', member, #member - $LIMIT_LAST) then
        local id = sub(member, -$ID_AND_LIMIT, -$BUT_LIMIT)
        local next = load(id)
        if next and next.status == $BLOCKED then
          enter(next, $REROUTED, 0, '')
          enqueue(next, id)
          save(id, next)
          call('ZREM', parked, member)
          return next.queue, id
        end
        call('ZREM', parked, member)
      end
    end
  end

  -- Everything by which this one may have to be moved has the right type; see `expect`.
  local function expect_places(r)
    local name = line(r)
    call('ZCARD', P .. 'q:' .. name)
    call('ZCARD', P .. 's:' .. name)
    call('ZCARD', P .. 'b:' .. r.queue)
    call('ZCARD', P .. 'b')
    call('SCARD', P .. (is_alone(r) and 'A' or 'Q'))
    if r.ckey ~= '' then
      call('SCARD', P .. 'k:' .. r.ckey)
      call('ZCARD', P .. 'z:' .. r.ckey)
    end
    if r.rkey ~= '' then call('STRLEN', P .. 'r:' .. r.rkey) end
    if r.runner ~= '' then
      call('HLEN', P .. 'w:' .. r.runner)
      if has(r, WISHED) then call('SCARD', P .. 'c:' .. r.runner) end
    end
    return r
  end
