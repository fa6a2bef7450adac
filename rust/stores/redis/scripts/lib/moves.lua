-- The moves of which scripts are made: each takes a record apart, changes it, and leaves every set right.
--
-- In a function, so that scripts which mostly do without (claim, settle) make them only when they are needed; with locals
-- of its own, because each one taken from outside costs every script that does without.
local function moves()
  local call, pack, unpack, sub, char, byte = redis.call, struct.pack, struct.unpack, string.sub, string.char, string.byte
  local CONCURRENCY, ARGS_APART, RESULT_APART, REGISTRATION, RESULT, REASON, MORE, WISHED = $CONCURRENCY, $ARGS_APART, $RESULT_APART, $REGISTRATION, $RESULT, $REASON, $MORE, $TO_CANCEL
  local CHUNK, HISTORY_LIMIT, RECORD = $CHUNK, $HISTORY_LIMIT, '$RECORD_FORMAT'
  -- [record]

  -- [queue]

  -- [told]

  -- [aside]

  -- [finish]

  -- [concurrency]

  -- [order]

  -- [raise]
  return {
    load = load,
    decode = decode,
    examine = examine,
    known = known,
    set_aside = set_aside,
    aside = aside,
    encode = encode,
    save = save,
    fixed = fixed,
    has = has,
    enter = enter,
    enter_held = enter_held,
    is_alone = is_alone,
    ALONE = ALONE,
    place = place,
    parked_place = parked_place,
    enqueue = enqueue,
    withdraw = withdraw,
    tidy_alone = tidy_alone,
    deregister = deregister,
    finish = finish,
    finish_unrun = finish_unrun,
    let_go = let_go,
    part = part,
    place_freed = place_freed,
    expect_places = expect_places,
    forget_order = forget_order,
    recount = recount,
    close_order = close_order,
    raise = raise,
  }
end
