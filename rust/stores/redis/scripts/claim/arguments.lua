-- Part of `claim`: the answer for one claim.

-- Arguments that are kept apart; 1 if they are so large that the caller fetches them without a script, which would copy every
-- byte; false if they are gone, or their key has another type.
local apart = {}
local function arguments(id)
  if apart[id] == nil then
    local key = P .. 'd:' .. id
    local size = redis.pcall('STRLEN', key)
    if type(size) == 'table' then size = #get_one(key) end
    apart[id] = size > 0 and (size < $LARGE and call('GET', key) or 1)
  end
  return apart[id]
end

local function give(id, raw, r)
  claims[#claims + 1] = id
  claims[#claims + 1] = raw
  claims[#claims + 1] = m().has(r, ARGS_APART) and arguments(id) or ''
end

