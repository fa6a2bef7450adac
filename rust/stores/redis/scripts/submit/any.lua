-- Any other case, with the library. `usual.lua` lists keys, arguments and answer.
local made
local function m()
  made = made or changes()
  return made
end
local n, tag, heads = tonumber(ARGV[3]), ARGV[4], ARGV[5]
local next_apart = $CALLS_FROM + n
local calls, queues = {}, {}

local META = KEYS[1]
local idle = call('ZCARD', P .. 'b')
call('HLEN', P .. 'o')
for i = 1, n do
  local _, code, _, queue, _, _, _, rkey, args = unpack('$CALL_FORMAT', ARGV[5 + i])
  local flags, due = byte(heads, 1), 0
  if #heads > 1 then flags, due = byte(heads, $CALL_HEAD * i - $CALL_HEAD_LAST), unpack('$TIME_FORMAT', heads, $CALL_HEAD * i - $CALL_DUE_LAST) end
  calls[i] = { queue = queue, code = code, rkey = rkey, args = args, flags = flags, due = math.max(due, now) }
  if not queues[queue] then
    queues[queue] = { known = call('SISMEMBER', P .. 'Q', queue) == 1, ready = {} }
    call('ZCARD', P .. 'q:' .. queue)
    idle = idle + call('ZCARD', P .. 'b:' .. queue)
  end
  if rkey ~= '' then call('STRLEN', P .. 'r:' .. rkey) end
  if due > now then call('ZCARD', P .. 's:' .. queue) end
end
local next_ahead = next_apart
for i, one in ipairs(calls) do
  if one.flags % $RESULT_APART == $ARGS_APART then
    if ARGV[next_ahead] == '' and call('EXISTS', P .. 'd:' .. sub(KEYS[4 + i], -$ID_SIZE)) == 0 then
      return redis.error_reply('TRYAGAIN the arguments sent ahead are gone')
    end
    next_ahead = next_ahead + 1
  end
end
local before = tonumber(call('HGET', META, 's') or 0)
for _, seq in ipairs({ before, before + n }) do call('STRLEN', P .. 'o:' .. sub(pack('$SEQ_FORMAT', seq), 1, $CHUNK_NAME_END)) end

local codes, answer, fresh, delayed, seq = {}, { '' }, {}, {}, before
-- The new calls of this batch, by id and by registration key.
local here, mine = {}, {}

-- The invocation that holds this registration key, and the hash of its arguments. `meet_existing` in `submit.rs` of the core
-- decides what that means for the call.
local function registered(rkey)
  if mine[rkey] then return mine[rkey].id, mine[rkey].args end
  local id = call('GET', P .. 'r:' .. rkey)
  local raw = id and get_one(P .. 'i:' .. id)
  local r = raw and m().examine(raw)
  -- Not claimed yet: registered, blocked by a concurrency key, or queued again.
  if r and r.status <= $REROUTED then return id, m().with_body(r).args end
end

for i, one in ipairs(calls) do
  one.id, one.key, one.packed = sub(KEYS[4 + i], -$ID_SIZE), KEYS[4 + i], ARGV[5 + i]
  one.apart = one.flags % $RESULT_APART == $ARGS_APART and ARGV[next_apart]
  if one.apart then next_apart = next_apart + 1 end
  local known = here[one.id] or call('EXISTS', one.key) == 1
  local existing, args
  if one.rkey ~= '' and not known then existing, args = registered(one.rkey) end
  codes[i] = 'N'
  if existing then
    codes[i] = args == one.args and 'S' or 'D'
    answer[#answer + 1] = existing
    one.unneeded = one.apart == ''
  elseif not known then
    one.seq = pack('$SEQ_FORMAT', seq)
    one.member = '\$NOT_WAITED_FOR' .. one.code .. pack('$TIME_FORMAT', one.due) .. one.seq .. one.id
    if one.due <= now then
      local list = queues[one.queue].ready
      list[#list + 1] = '0'
      list[#list + 1] = one.member
    else
      delayed[#delayed + 1] = one
    end
    here[one.id] = true
    if one.rkey ~= '' then mine[one.rkey] = one end
    fresh[#fresh + 1] = one
    seq = seq + 1
  end
end

for queue, of in pairs(queues) do
  if #of.ready > 0 then
    call('ZADD', P .. 'q:' .. queue, spread(of.ready))
    if not of.known then call('SADD', P .. 'Q', queue) end
    want_runners(queue, #of.ready / 2)
  end
end
for _, one in ipairs(delayed) do
  local key = P .. 's:' .. one.queue
  call('ZADD', key, one.due, one.member)
  call('SADD', P .. 'Q', one.queue)
  if call('ZRANGE', key, '0', '0')[1] == one.member then want_runners(one.queue) end
end
for _, one in ipairs(calls) do
  if one.unneeded then
    call('DEL', P .. 'd:' .. one.id)
  elseif one.seq then
    call('SET', one.key, pack('$NEW_FORMAT', $REGISTERED, one.flags, Z8, tag, Z16, one.due, now) .. one.seq .. one.packed)
    if one.apart == '' then
      call('PERSIST', P .. 'd:' .. one.id)
    elseif one.apart then
      call('SET', P .. 'd:' .. one.id, one.apart)
    end
    if one.rkey ~= '' then call('SET', P .. 'r:' .. one.rkey, one.id) end
  end
end
local at = 1
while at <= #fresh do
  local place = before + at - 1
  local chunk, ids = sub(pack('$SEQ_FORMAT', place), 1, $CHUNK_NAME_END), {}
  local last = math.min(#fresh, at + CHUNK - 1 - place % CHUNK)
  for i = at, last do ids[#ids + 1] = fresh[i].id end
  call('SETRANGE', P .. 'o:' .. chunk, place % CHUNK * $ID_SIZE, table.concat(ids))
  if place % CHUNK == 0 then call('HSETNX', P .. 'o', chunk, CHUNK) end
  at = last + 1
end
if #fresh > 0 then
  call('HSET', META, 's', string.format('%.0f', before + #fresh))
  -- The first call since the server was emptied writes a new marker, which shows other processes that the numbers start again.
  if before == 0 then call('HSETNX', META, 'a', string.format('$LAYOUT:%.0f', now)) end
end
if idle > 0 then wake_idle() end
answer[1] = table.concat(codes)
return answer
