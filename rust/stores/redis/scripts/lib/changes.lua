-- The functions that change one invocation. Each unpacks a record, changes it, and keeps every index consistent with it.
--
-- They stand inside a function because `claim` and `settle` seldom need them: a script makes them when it does. Shared values
-- are locals in here, because each value taken from outside costs every script that needs none of this.
local function changes()
  local call, pack, unpack, sub, char, byte = redis.call, struct.pack, struct.unpack, string.sub, string.char, string.byte
  local CONCURRENCY, ARGS_APART, RESULT_APART, REGISTRATION, RESULT, REASON, MORE, TO_CANCEL = $CONCURRENCY, $ARGS_APART, $RESULT_APART, $REGISTRATION, $RESULT, $REASON, $MORE, $TO_CANCEL
  local CHUNK, HISTORY_LIMIT, RECORD = $CHUNK, $HISTORY_LIMIT, '$RECORD_FORMAT'
  -- [record]

  -- [queue]

  -- [finish]

  -- [aside]

  -- [concurrency]

  -- [order]

  -- [raise]
  return {
    load = load,
    decode = decode,
    examine = examine,
    readable = readable,
    set_aside = set_aside,
    aside = aside,
    encode = encode,
    save = save,
    with_body = with_body,
    has = has,
    enter = enter,
    enter_by_owner = enter_by_owner,
    is_alone = is_alone,
    ALONE = ALONE,
    place = place,
    blocked_place = blocked_place,
    enqueue = enqueue,
    leave_queue = leave_queue,
    count_alone = count_alone,
    deregister = deregister,
    finish = finish,
    finish_without_body = finish_without_body,
    end_claim = end_claim,
    end_leases = end_leases,
    unblock_next = unblock_next,
    check_types = check_types,
    forget_order = forget_order,
    recount = recount,
    close_order = close_order,
    raise = raise,
  }
end
