-- Read records, whatever type their keys have.

-- The record at this key: false if there is none, '' if the key has another type.
local function get_one(key)
  local raw = redis.pcall('GET', key)
  if type(raw) ~= 'table' then return raw end
  -- Any other error stops the script.
  return string.find(raw.err, 'WRONGTYPE', 1, true) and '' or call('GET', key)
end

-- The records of these keys.
local function get_all(keys)
  local raws = call('MGET', spread(keys))
  for i = 1, #keys do
    -- MGET answers nil for a key of another type, too.
    if not raws[i] then raws[i] = get_one(keys[i]) end
  end
  return raws
end
