-- What the steps on questions of the day share: the post, packed answers, and what an award does to all boards.
--
-- A packed answer is option + 8 * right + 16 * settled + 32 * counted + 64 * points: option is its place in the file
-- from 0; settled says that the boards hold the rest; counted says that it counts for accuracy.
-- The keys of boards and of answer buckets are put together here, from the post: they carry the tenant's hash tag
-- like all declared ones, so that one cluster slot holds them all.

local UNIT = 4294967296 -- points * 2^32 + tie
local TALLY = 1048576 -- answered * 2^20 + right, of one person on one board

local function time_ms(given)
  if given ~= '0' then
    return tonumber(given)
  end
  local clock = redis.call('TIME')
  return clock[1] * 1000 + math.floor(clock[2] / 1000)
end

local function int(number)
  return string.format('%.0f', number)
end

-- What never changes about a post is three values, their parts separated by \31: fewer fields cost less to write.
local NAMES = {'what', 'when', 'where', 'state', 'message', 'digest', 'n', 'void', 'right', 'ca', 'cb', 'cc', 'cd', 'ce',
  'cf', 'labels', 'ends'}
local TOLD = 15 -- the names up to this one are told to the caller
local COUNT = 7 -- the place of 'n' among them

local function read_post(key)
  local values = redis.call('HMGET', key, unpack(NAMES))
  local post, told = {}, {}
  for i, name in ipairs(NAMES) do
    post[name] = values[i] or ''
    if i <= TOLD then told[i] = post[name] end
  end
  local item, order, right, mode, topic = string.match(post.what, '^([^\31]*)\31([^\31]*)\31(.)\31(%a*)\31%d*\31(.*)$')
  post.item, post.order, post.mode, post.topic = item or '', order or '', mode, topic or ''
  post.right = post.right ~= '' and post.right or right -- a corrected key, or the first one
  post.closes, post.daynum, post.seq, post.buckets = string.match(post.when, '^%d+\31(%d+)\31(%d+)\31(%d+)\31(%d+)$')
  post.channel = string.match(post.where, '^[^\31]*\31([^\31]*)') or ''
  return post, told
end

local function escaped(id)
  return (string.gsub(string.gsub(string.gsub(id, '%%', '%%25'), '{', '%%7B'), '}', '%%7D'))
end

local function bucket_key(base, post, user)
  local buckets = tonumber(post.buckets) or 1
  if buckets <= 1 then
    return base
  end
  return base .. ':' .. tonumber(string.sub(redis.sha1hex(user), 1, 6), 16) % buckets
end

local function unpacked(text)
  local number = tonumber(text or '')
  if not number then
    return nil
  end
  local function bit(place) return math.floor(number / place) % 2 end
  return {option = number % 8, right = bit(8), settled = bit(16), counted = bit(32), points = math.floor(number / 64)}
end

local function packed(answer)
  return int(answer.option + 8 * answer.right + 16 * answer.settled + 32 * answer.counted + 64 * answer.points)
end

-- What an answer is worth by the post as it stands now.
local function worth(post, option)
  if post.void ~= '' then
    return {option = option, right = 0, settled = 1, counted = 0, points = 1}
  end
  local right = string.byte(post.right) - 97 == option and 1 or 0
  return {option = option, right = right, settled = 1, counted = 1, points = right == 1 and 10 or 1}
end

-- The boards of a person for this post, as they are. Reads only, and raises for a key of the wrong type.
local function look(base, post, user)
  local found, ends = {}, {}
  for expires in string.gmatch(post.ends, '%d+') do ends[#ends + 1] = expires end
  for place, scope in ipairs({escaped(post.channel), 't', escaped('topic:' .. post.topic)}) do
    local number = 0
    for label in string.gmatch(post.labels, '%S+') do
      number = number + 1
      local name, expires = scope .. ':' .. label, ends[number]
      local at = {board = base .. 'lb:' .. name, tallies = base .. 'ln:' .. name, expires = expires}
      at.score = redis.call('ZSCORE', at.board, user)
      at.tally = redis.call('HGET', at.tallies, user)
      if place == 1 then -- what channels earned is kept for comparing them
        at.totals = base .. 'tm:' .. label
        redis.call('HLEN', at.totals)
      end
      found[#found + 1] = at
    end
  end
  return found
end

local function person_key(base, user)
  return base .. 'u:' .. escaped(user)
end

local function totals(key, post)
  local values = redis.call('HMGET', key, 'n', 'r', 'p', 't:' .. post.topic)
  local right, asked = string.match(values[4] or '', '^(%d+)/(%d+)$')
  return {n = tonumber(values[1]) or 0, r = tonumber(values[2]) or 0, p = tonumber(values[3]) or 0,
    right = tonumber(right) or 0, asked = tonumber(asked) or 0}
end

-- Move the boards and totals of a person from one worth of an answer to another. Writes only, none of which can fail.
local function award(found, person, mine, post, user, was, is)
  local points, right, counted = is.points - was.points, is.right - was.right, is.counted - was.counted
  if points == 0 and right == 0 and counted == 0 then
    return
  end
  for _, at in ipairs(found) do
    local tally = tonumber(at.tally) or 0
    local rights, asked = tally % TALLY + right, math.floor(tally / TALLY) + counted
    local tie = asked > 0 and math.floor(rights * (UNIT - 1) / asked) or 0
    at.points = math.floor((tonumber(at.score) or 0) / UNIT) + points
    at.now = at.points * UNIT + tie
    redis.call('ZADD', at.board, int(at.now), user)
    redis.call('HSET', at.tallies, user, int(asked * TALLY + rights))
    if at.totals and points ~= 0 then redis.call('HINCRBY', at.totals, post.channel, int(points)) end
  end
  redis.call('HSET', person, 'n', int(mine.n + counted), 'r', int(mine.r + right), 'p', int(mine.p + points),
    't:' .. post.topic, int(mine.right + right) .. '/' .. int(mine.asked + counted))
end

-- A board is born with its first member: say when it ends. Last of all, because a date gone by deletes it.
local function expire(found)
  for _, at in ipairs(found) do
    if at.expires ~= '0' and not at.score then
      redis.call('EXPIREAT', at.board, at.expires)
      if at.totals then redis.call('EXPIREAT', at.totals, at.expires) end
    end
    if at.expires ~= '0' and not at.tally then redis.call('EXPIREAT', at.tallies, at.expires) end
  end
end

