-- The top of a board with shared ranks (1, 2, 2, 4), the reader's row and its neighbours, with names.
--
-- KEYS  1 board   2 names hash   3 people whose names others do not see
-- ARGV  1 reader  2 rows of the top  3 neighbours above and below
-- Returns {members, position of the reader from 0 or -1, rows of the top, row, row, ...}, the top's rows first, then
--       the reader's neighbourhood; a row is five values: user, name, points, rank, 1 for someone without a name

local UNIT = 4294967296 -- points * 2^32 + tie
local size, reach = tonumber(ARGV[2]), tonumber(ARGV[3])
local out, users = {redis.call('ZCARD', KEYS[1]), -1, 0}, {}

local function append(first, last)
  local rows = redis.call('ZREVRANGE', KEYS[1], first, last, 'WITHSCORES')
  local rank, before = nil, nil
  for i = 1, #rows, 2 do
    if rows[i + 1] ~= before then
      before = rows[i + 1]
      rank = rank and first + (i + 1) / 2 or redis.call('ZCOUNT', KEYS[1], '(' .. before, '+inf') + 1
    end
    users[#users + 1] = rows[i]
    out[#out + 1] = rows[i]
    out[#out + 1] = ''
    out[#out + 1] = string.format('%d', math.floor(tonumber(before) / UNIT))
    out[#out + 1] = rank
    out[#out + 1] = 0
  end
  return #rows / 2
end

if size > 0 then
  out[3] = append(0, size - 1)
end
local position = redis.call('ZREVRANK', KEYS[1], ARGV[1])
if position then
  out[2] = position
  append(math.max(0, position - reach), position + reach)
end
if #users > 0 then
  local nameless = redis.call('SMISMEMBER', KEYS[3], unpack(users))
  for i, name in ipairs(redis.call('HMGET', KEYS[2], unpack(users))) do
    out[5 * i] = nameless[i] == 1 and users[i] ~= ARGV[1] and '' or name or ''
    out[5 * i + 3] = nameless[i]
  end
end
return out
