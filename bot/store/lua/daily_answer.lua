-- Record an answer to a question of the day, or return what stands. Repeating it changes nothing.
--
-- KEYS  1 post   2 answers (base of its buckets)   3 person   4 names   5 log   6 channel   7 opted out   8 milestones
-- ARGV  1 user  2 display name  3 option  4 now in ms, 0 = the server's clock  5 prefix of the tenant's keys
--       6 log lifetime in ms  7 position of the channel's month among its labels, from 1  8 answers allowed a minute
--       9 post id  10 milestones, separated by spaces  11 days between forgiven gaps  12 lifetime of a post in seconds
-- Returns {status, option, right, points, total, rank, streak "length:best:last:froze", saved 0|1, field, field, ...}
--       the fields are those of the post, in the order of NAMES

local user, name, option, base = ARGV[1], ARGV[2], ARGV[3], ARGV[5]
local now, minute_limit = time_ms(ARGV[4]), tonumber(ARGV[8])
local post, told = read_post(KEYS[1])
local place = string.find(post.order, option, 1, true)
local answers = bucket_key(KEYS[2], post, user)
local held = unpacked(redis.call('HGET', answers, user))
local held_person = redis.call('HMGET', KEYS[3], 's:' .. post.channel, 'm')
local mine = totals(KEYS[3], post)
local known_as = redis.call('HGET', KEYS[4], user)
redis.call('XLEN', KEYS[5])
local milestones = redis.call('ZCARD', KEYS[8])
local found = look(base, post, user)
local month = found[tonumber(ARGV[7])] or {}

local function reply(status, answer, streak, saved)
  local score = month.now or tonumber(month.score) or 0
  local rank = month.board and redis.call('ZCOUNT', month.board, '(' .. int(score), '+inf') + 1 or 0
  local shown = answer and string.char(97 + answer.option) or ''
  local out = {status, shown, answer and answer.right or 0, answer and answer.points or 0,
    int(math.floor(score / UNIT)), rank, streak or '', saved or 0}
  for _, value in ipairs(told) do out[#out + 1] = value end
  return out
end

if post.item == '' or post.state == 'u' then
  return reply('unknown')
end
local standing = held_person[1] or '0:0:0:0'
if redis.call('SISMEMBER', KEYS[7], user) == 1 then
  return reply('refused')
end
if post.state ~= 'o' or now >= tonumber(post.closes) then
  return reply('late', held, standing)
end
if not place or #option ~= 1 then
  return reply('unknown')
end
local chosen = string.byte(option) - 97
if held and (post.mode == 'instant' or held.option == chosen) then
  return reply(post.mode == 'instant' and 'stands' or 'recorded', held, standing)
end

local minute, count = string.match(held_person[2] or '', '^(%d+):(%d+)$')
local this_minute = int(math.floor(now / 60000))
count = minute == this_minute and tonumber(count) + 1 or 1
if count > minute_limit then
  return reply('cooling', held, standing)
end

-- The streak: ordinals of days with a question, holes left out; one missed day in a week is forgiven.
local length, best, last, froze = string.match(standing, '^(%d+):(%d+):(%d+):(%d+)$')
length, best, last, froze = tonumber(length) or 0, tonumber(best) or 0, tonumber(last) or 0, tonumber(froze) or 0
local seq, day, saved = tonumber(post.seq), tonumber(post.daynum), 0
if seq > last then
  local missed = seq - last - 1
  if last > 0 and missed > 0 and missed <= 60 then
    local between = {}
    for ordinal = last + 1, seq - 1 do between[#between + 1] = 'h:' .. int(ordinal) end
    for _, hole in ipairs(redis.call('HMGET', KEYS[6], unpack(between))) do
      if hole then missed = missed - 1 end
    end
  end
  if last == 0 or missed > 1 or (missed == 1 and froze > 0 and day - froze < tonumber(ARGV[11])) then
    length = 1
  else
    length = length + 1
    if missed == 1 then froze, saved = day, 1 end
  end
  best, last = math.max(best, length), seq
  standing = int(length) .. ':' .. int(best) .. ':' .. int(last) .. ':' .. int(froze)
end

local nothing = {points = 0, right = 0, counted = 0}
local answer = {option = chosen, right = 0, settled = 0, counted = 0, points = 0}
if post.mode == 'instant' then
  answer = worth(post, chosen)
end
local total = tonumber(post.n) or 0
local counted = tonumber(post['c' .. option]) or 0
local oldest = int(time_ms('0') - tonumber(ARGV[6])) -- entries carry the server's time, also in a simulation
local is_right = worth(post, chosen).right

-- Only writes from here on, and none that can fail. The first one is refused when memory is full, before any is done.
local born = redis.call('HSET', answers, user, packed(answer))
if held then
  local before = 'c' .. string.char(97 + held.option)
  redis.call('HSET', KEYS[1], before, int((tonumber(post[before]) or 1) - 1), 'c' .. option, int(counted + 1))
else
  told[COUNT] = int(total + 1)
  redis.call('HSET', KEYS[1], 'n', told[COUNT], 'c' .. option, int(counted + 1))
end
if born == 1 and redis.call('HLEN', answers) == 1 then
  redis.call('EXPIRE', answers, ARGV[12])
end
redis.call('HSET', KEYS[3], 's:' .. post.channel, standing, 'm', this_minute .. ':' .. int(count))
if known_as ~= name then
  redis.call('HSET', KEYS[4], user, name)
end
for stone in string.gmatch(ARGV[10], '%d+') do
  if not held and tonumber(stone) == length then
    redis.call('ZADD', KEYS[8], int(length), user)
    if milestones == 0 then redis.call('EXPIRE', KEYS[8], ARGV[12]) end
  end
end
award(found, KEYS[3], mine, post, user, nothing, answer)
redis.call('XADD', KEYS[5], 'MINID', '~', oldest, '*', 'kind', 'daily', 'user', user, 'post', ARGV[9], 'item',
  post.item, 'option', option, 'correct', int(is_right))
local done = reply(held and 'changed' or 'recorded', answer, standing, saved)
if answer.settled == 1 then expire(found) end
return done
