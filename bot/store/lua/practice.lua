-- Record one practice answer, or return what stands. Repeating it changes nothing.
--
-- KEYS  1 practice hash of the person   2 names hash   3 log stream   4.. boards: the channel's, the tenant's, the topic's
--       then for each of the channel's boards the hash of what channels earned
-- ARGV  1 user  2 display name  3 event  4 channel  5 quiz  6 round  7 item  8 option  9 correct 0|1
--       10 day yyyymmdd  11 points of a right answer, 0 when it does not count  12 most points a day
--       13 log lifetime in ms  14 position of the channel's month board among the boards, from 1
--       15 answers a minute that can earn points  16 number of boards
--       17.. for each board its EXPIREAT in seconds (0 = never), then the items of the quiz
-- Returns {status, option, correct, points, total, rank, points today, marks, cooling}
--       status 1 recorded by this event (now, or when it came before), 0 an earlier answer stands, -1 card of another round (nothing recorded)
--       marks  one character for each item of the quiz in this round: 1 right, 0 wrong, - open
--       cooling  1 when it earned nothing because there were too many in this minute
--
-- Ids are strings and never pass tonumber. Everything is read and checked before the first write, because an error
-- does not roll back; reading a key of the wrong type raises here, with nothing written.

local user, name, event, channel, quiz = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local item, option, correct, day = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local worth, cap, lifetime, month = tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14])
local boards, limit = tonumber(ARGV[16]), tonumber(ARGV[15])
local UNIT = 4294967296 -- points * 2^32 + tie

local fields = {'n:' .. quiz, 'days', 'a:' .. item, 'r:' .. item, 'm'}
for i = 17 + boards, #ARGV do
  fields[#fields + 1] = 'a:' .. ARGV[i]
end
local held = redis.call('HMGET', KEYS[1], unpack(fields))
local known_as = redis.call('HGET', KEYS[2], user)
redis.call('XLEN', KEYS[3])
local scores = {}
for i = 1, boards do
  scores[i] = redis.call('ZSCORE', KEYS[3 + i], user)
end
for i = 4 + boards, #KEYS do
  redis.call('HLEN', KEYS[i])
end

-- round:option:correct:points:event, the event as 8 hexadecimal digits
local function parse(answer)
  local r, o, c, p, e = string.match(answer or '', '^(%d+):(.*):([01]):(%d+):(%x+)$')
  return r and {round = r, option = o, correct = c, points = p, event = e}
end

-- Points of the newest three days, oldest first: no more local dates than that exist at one moment on earth.
local today, days = 0, {}
for d, points in string.gmatch(held[2] or '', '(%d+)=(%d+)') do
  if d == day then
    today = tonumber(points)
  else
    days[#days + 1] = d .. '=' .. points
  end
end

local past = #days == 3 and day < days[1] -- three newer days are known: its count is forgotten, so it earns nothing

local function marks()
  local out = {}
  for i = 6, #fields do
    local answer = parse(held[i])
    out[#out + 1] = answer and answer.round == (held[1] or '1') and answer.correct or '-'
    if fields[i] == fields[3] then out.position = #out end
  end
  return out
end

local function reply(status, answer, score, seen)
  local rank = redis.call('ZCOUNT', KEYS[3 + month], '(' .. string.format('%.0f', score), '+inf') + 1
  return {status, answer.option, answer.correct, answer.points, string.format('%d', math.floor(score / UNIT)), rank,
    today, table.concat(seen), 0}
end

local stands, seen, score = parse(held[3]), marks(), tonumber(scores[month] or '0')
if ARGV[6] ~= (held[1] or '1') then
  return reply(-1, stands or {option = '', correct = '0', points = '0'}, score, seen)
end
local fingerprint = string.sub(redis.sha1hex(event), 1, 8)
if stands and stands.round == ARGV[6] then
  local same = event ~= '' and stands.event == fingerprint and stands.option == option -- the same click, delivered again
  return reply(same and 1 or 0, stands, score, seen)
end

local clock = redis.call('TIME')
local minute, count = string.match(held[5] or '', '^(%d+):(%d+)$')
local this_minute = string.format('%d', math.floor(clock[1] / 60))
count = minute == this_minute and tonumber(count) + 1 or 1
local counts = correct == '1' and not held[4] and worth > 0 and count <= limit
local points = counts and today < cap and not past and worth or 0
local answer = {option = option, correct = correct, points = string.format('%d', points)}
local oldest = string.format('%.0f', clock[1] * 1000 - lifetime)

-- Only writes from here on, and none that can fail. The first one is refused when memory is full, before any is done.
local writes = {'a:' .. item, ARGV[6] .. ':' .. option .. ':' .. correct .. ':' .. answer.points .. ':' .. fingerprint,
  'm', this_minute .. ':' .. string.format('%d', count)}
if counts then
  writes[#writes + 1] = 'r:' .. item
  writes[#writes + 1] = '1'
end
if points > 0 then
  today = today + points
  days[#days + 1] = day .. '=' .. string.format('%d', today)
  table.sort(days)
  writes[#writes + 1] = 'days'
  writes[#writes + 1] = table.concat(days, ' ', math.max(1, #days - 2))
end
redis.call('HSET', KEYS[1], unpack(writes))
if known_as ~= name then
  redis.call('HSET', KEYS[2], user, name)
end
redis.call('XADD', KEYS[3], 'MINID', '~', oldest, '*', 'kind', 'practice', 'user', user, 'channel', channel, 'quiz', quiz,
  'round', ARGV[6], 'item', item, 'option', option, 'correct', correct, 'points', answer.points, 'day', day)
local gain = string.format('%.0f', points * UNIT)
for i = 1, boards do
  if points > 0 or not scores[i] then
    redis.call('ZINCRBY', KEYS[3 + i], gain, user)
  end
end
if points > 0 then
  for i = 4 + boards, #KEYS do
    redis.call('HINCRBY', KEYS[i], channel, answer.points)
  end
end
if seen.position then
  seen[seen.position] = correct
end
local done = reply(1, answer, score + points * UNIT, seen)
done[9] = count > limit and 1 or 0
for i = 1, boards do
  if not scores[i] and ARGV[16 + i] ~= '0' then -- a board is born with its first member
    redis.call('EXPIREAT', KEYS[3 + i], ARGV[16 + i])
    if KEYS[3 + boards + i] then redis.call('EXPIREAT', KEYS[3 + boards + i], ARGV[16 + i]) end
  end
end
return done
