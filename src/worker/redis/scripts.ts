/**
 * What happens inside of Redis, each in one step.
 *
 * Invariants:
 * - An entry is changed only by who holds it: it is pending for this consumer, and has been delivered as often as the consumer knows.
 *   For all others it stays as it is, and the script returns their ids.
 * - A message that waits for its next delivery stays among the pending ones, and the time at which it is due is in a sorted set beside
 *   the stream. If that is ever lost, the message comes back when its lease has run out.
 * - A server whose memory is full refuses what may take more of it, but not once a script has begun to write. So each script that must
 *   get through, for it makes room, begins with a write that takes none.
 * - A verdict leaves a note that it was told, before it does anything. Who never got the answer shows the note's name when it tells it
 *   again, and is told the truth.
 * - When there is no such group, or no such stream, the first thing that is asked about an entry fails, and says so: NOGROUP.
 *
 * Lines: of the messages with one key, those that were read and have no verdict stand in a line, in the order of the stream. A consumer
 * may have the first, and those that follow without a gap on what it has in its hands. All others are parked: they are pending for a
 * consumer that is none, until the one before them has its verdict. So one that has failed keeps its place, and those behind it wait.
 * The lines are members of one sorted set, `<hash of the key>:<id>`, and in it is how far the stream has been looked through for them:
 * `!<id>`. An entry is in its line before any later one is given out, whoever has read it. If the set is lost, the lines begin anew.
 *
 * KEYS of all but CREATE: the stream, the due, the lines, the notes. ARGV begin with the group and the consumer.
 */

/** Lifts the limit of the memory for the rest of a script. */
const WRITE = "redis.call('ZREM', KEYS[2], '')\n";

const PENDING = `
local function pending(id)
  return redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)[1]
end
`;

const NOW = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
`;

/** How long a note is kept whose answer was lost, in ms. Those that were answered are removed by the next verdict. */
const NOTES = 3_600_000;

/**
 * What verdicts have in common. ARGV[3]: the name of this note, ARGV[4]: those that can go. `told`: the notes of earlier calls with the
 * same verdict on the same message, whose answers were lost. One of these counts if it was told, and did not call the message lost.
 */
const TOLD: string = /* @__PURE__ */ (() => `${NOW}${PENDING}${WRITE}
local lost, freed = {}, 0
redis.call('ZADD', KEYS[4], now, ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now - ${NOTES})
for name in string.gmatch(ARGV[4], '%S+') do redis.call('ZREM', KEYS[4], name) end
local function held(id, n, told)
  local p = pending(id)
  if p and p[2] == ARGV[2] and p[4] == tonumber(n) then return true end
  for name in string.gmatch(told, '%S+') do
    if redis.call('ZSCORE', KEYS[4], name) and not redis.call('ZSCORE', KEYS[4], name .. ' ' .. id) then return false end
  end
  redis.call('ZADD', KEYS[4], now, ARGV[3] .. ' ' .. id)
  lost[#lost + 1] = id
end
`)();

/** The consumer that parked messages are pending for. */
const PARKED = "'headgate:parked'";

const LINES = `
local function member(hash, id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return hash .. string.rep('0', 20 - #ms) .. ms .. '-' .. string.rep('0', 20 - #seq) .. seq
end
local function idOf(member)
  return string.match(string.sub(member, -41, -22), '^0*(%d+)$') .. '-' .. string.match(string.sub(member, -20), '^0*(%d+)$')
end
`;

/** An entry that other groups may still want stays in the stream, unless 'delete' or 'keep' was asked for: ARGV[5]. */
const SETTLE: string = /* @__PURE__ */ (() => `${LINES}
local remove
local function settle(id, hash)
  if remove == nil then
    remove = ARGV[5] == 'delete' or ARGV[5] == '' and #redis.call('XINFO', 'GROUPS', KEYS[1]) == 1
  end
  redis.call('XACK', KEYS[1], ARGV[1], id)
  if remove then redis.call('XDEL', KEYS[1], id) end
  if hash == '' then return end
  redis.call('ZREM', KEYS[3], member(hash, id))
  while true do
    local first = redis.call('ZRANGEBYLEX', KEYS[3], '[' .. hash, '(' .. hash .. ':', 'LIMIT', 0, 1)[1]
    if not first then return end
    local p = pending(idOf(first))
    if p then
      if p[2] == ${PARKED} then
        redis.call('ZADD', KEYS[2], now, idOf(first))
        freed = 1
      end
      return
    end
    redis.call('ZREM', KEYS[3], first)
  end
end
`)();

/**
 * Makes the group, whose lines begin anew. KEYS: the stream, the due, the lines; ARGV[1] is the group. Where there is something to settle, it
 * makes it also on a server that is full.
 */
export const CREATE: string = /* @__PURE__ */ (() => `
if redis.call('XLEN', KEYS[1]) > 0 then ${WRITE} end
local made = redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1)
return made`)();

/** From ARGV[6]: id, deliveries, notes, hash of the key. As the next two, returns those that are lost, and 1 if something came free. */
export const ACK: string = /* @__PURE__ */ (() => `${TOLD}${SETTLE}
for i = 6, #ARGV, 4 do
  if held(ARGV[i], ARGV[i + 1], ARGV[i + 2]) then settle(ARGV[i], ARGV[i + 3]) end
end
return {lost, freed}`)();

/** Fields that are handed on in one go, where there are more than a list in Lua can be handed on as. */
const STEP = 200;

/**
 * KEYS[5]: where the dead go. From ARGV[6]: id, deliveries, notes, hash, reason. An entry that is no longer in the stream is lost. Returns
 * in the third place what could not be buried: id, why. Those stay as they are.
 *
 * `unpack` hands on some 8 000 texts at most. A call that hands on what it was given, with some more in front, knows no such bound.
 */
export const BURY: string = /* @__PURE__ */ (() => `${TOLD}${SETTLE}
local refused = {}
local function add(f, n, ...)
  if n == 0 then return redis.pcall('XADD', KEYS[5], '*', ...) end
  if n < ${STEP} then return add(f, n - 1, f[n], ...) end
  local i = n - ${STEP}
  return add(f, i, ${Array.from({ length: STEP }, (_, i) => `f[i + ${i + 1}]`).join(", ")}, ...)
end
for i = 6, #ARGV, 5 do
  local id, n, hash = ARGV[i], ARGV[i + 1], ARGV[i + 3]
  if held(id, n, ARGV[i + 2]) then
    local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
    local put
    if entry then
      local fields = entry[2]
      put = add(fields, #fields, 'headgate-reason', ARGV[i + 4], 'headgate-attempts', n, 'headgate-entry', id)
      if type(put) == 'table' and put.err then put = add(fields, #fields, 'headgate-attempts', n, 'headgate-entry', id) end
    else
      redis.call('ZADD', KEYS[4], now, ARGV[3] .. ' ' .. id)
      lost[#lost + 1] = id
    end
    if type(put) == 'table' and put.err then
      redis.call('ZADD', KEYS[4], now, ARGV[3] .. ' ' .. id)
      refused[#refused + 1] = id
      refused[#refused + 1] = put.err
    else
      settle(id, hash)
    end
  end
end
return {lost, freed, refused}`)();

/** ARGV[5]: the lease. From ARGV[6]: id, deliveries, notes, deliveries to count from now on, delay. */
export const NACK: string = /* @__PURE__ */ (() => `${TOLD}
local lease = tonumber(ARGV[5])
for i = 6, #ARGV, 5 do
  local id, delay = ARGV[i], tonumber(ARGV[i + 4])
  if held(id, ARGV[i + 1], ARGV[i + 2]) then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'IDLE', math.max(0, lease - delay), 'RETRYCOUNT', ARGV[i + 3], 'JUSTID')
    redis.call('ZADD', KEYS[2], now + delay, id)
  end
end
return {lost, freed}`)();

/** From ARGV[3]: id, deliveries. Returns those that are lost. */
export const EXTEND: string = /* @__PURE__ */ (() => `${PENDING}
local lost = {}
for i = 3, #ARGV, 2 do
  local p = pending(ARGV[i])
  if p and p[2] == ARGV[2] and p[4] == tonumber(ARGV[i + 1]) then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'IDLE', 0, 'JUSTID')
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost`)();

/** ARGV[3]: the field with the key, '' if there are no lines. ARGV[4]: the ids in the consumer's hands that have a key. */
const LINE: string = /* @__PURE__ */ (() => `${LINES}
local mine = {}
for id in string.gmatch(ARGV[4], '%S+') do mine[id] = true end
local function hashOf(fields)
  if ARGV[3] == '' then return end
  local key = ''
  for i = 1, #fields, 2 do
    if fields[i] == ARGV[3] then key = fields[i + 1] end
  end
  if key ~= '' then return redis.sha1hex(key) end
end
local function isNext(hash, id)
  while true do
    local before = redis.call('ZREVRANGEBYLEX', KEYS[3], '(' .. member(hash, id), '[' .. hash, 'LIMIT', 0, 1)[1]
    if not before then return true end
    local other = idOf(before)
    local p = pending(other)
    if p then return p[2] == ARGV[2] and mine[other] and not redis.call('ZSCORE', KEYS[2], other) end
    redis.call('ZREM', KEYS[3], before)
  end
end
local function park(id, count)
  redis.call('XCLAIM', KEYS[1], ARGV[1], ${PARKED}, 0, id, 'IDLE', 0, 'RETRYCOUNT', count, 'JUSTID')
end
`)();

/**
 * From ARGV[5]: the ids of messages with keys that were just read, in order. Puts all that was read, by anybody, into its line. Returns for
 * each of the ids the hash of its key if it may be given out, or '': then it is parked. Can be told again of the same ones.
 */
export const ADMIT: string = /* @__PURE__ */ (() => `${PENDING}${WRITE}${LINE}
local hashes = {}
local function enter(entry)
  local hash = hashOf(entry[2])
  if not hash then return end
  hashes[entry[1]] = hash
  redis.call('ZADD', KEYS[3], 0, member(hash, entry[1]))
end
local last, seen = ARGV[#ARGV], redis.call('ZRANGEBYLEX', KEYS[3], '[!', '(0', 'LIMIT', 0, 1)[1]
if not seen or seen < member('!', last) then
  local first = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1)[1]
  local from = first and first[1] or last
  if seen and seen >= member('!', from) then from = '(' .. idOf(seen) end
  repeat
    local entries = redis.call('XRANGE', KEYS[1], from, last, 'COUNT', 500)
    for _, entry in ipairs(entries) do enter(entry) end
    if #entries > 0 then from = '(' .. entries[#entries][1] end
  until #entries < 500
  if seen then redis.call('ZREM', KEYS[3], seen) end
  redis.call('ZADD', KEYS[3], 0, member('!', last))
end
local out = {}
for i = 5, #ARGV do
  local id = ARGV[i]
  if not hashes[id] then
    for _, entry in ipairs(redis.call('XRANGE', KEYS[1], id, id)) do enter(entry) end
  end
  local hash = hashes[id]
  if hash and isNext(hash, id) then
    mine[id] = true
    out[#out + 1] = hash
  else
    local p = pending(id)
    if p and p[2] == ARGV[2] then park(id, p[4] - 1) end
    out[#out + 1] = ''
  end
end
return out`)();

/** Ids that a sweep looks at, at most: the server does nothing else meanwhile. */
const LOOKS = 500;

/**
 * Takes what is due, then what has outlasted its lease. ARGV[5]: the lease, ARGV[6]: how many at most, ARGV[7]: where to go on.
 * Returns where to go on next, in how many ms something is due (-1: nothing is), and the entries: id, fields, deliveries, hash of the key.
 *
 * XAUTOCLAIM ... JUSTID restarts the lease and counts no delivery. That is all that happens to those whose delay is longer.
 */
export const SWEEP: string = /* @__PURE__ */ (() => `${NOW}${PENDING}${WRITE}${LINE}
local lease, max, cursor, out, taken = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7], {}, {}
local function take(id)
  if taken[id] then return end
  redis.call('ZREM', KEYS[2], id)
  local p = pending(id)
  if not p then return end
  local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
  if not entry then return redis.call('XACK', KEYS[1], ARGV[1], id) end
  local hash = hashOf(entry[2])
  if hash then
    redis.call('ZADD', KEYS[3], 0, member(hash, id))
    if not isNext(hash, id) then return park(id, p[4]) end
  end
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'RETRYCOUNT', p[4] + 1, 'JUSTID')
  mine[id], taken[id] = true, true
  out[#out + 1] = {id, entry[2], p[4] + 1, hash or ''}
  if not hash or #out >= max then return end
  local next = redis.call('ZRANGEBYLEX', KEYS[3], '(' .. member(hash, id), '(' .. hash .. ':', 'LIMIT', 0, 1)[1]
  if not next then return end
  local q = pending(idOf(next))
  if q and q[2] == ${PARKED} then return take(idOf(next)) end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, max)) do
  if #out < max then take(id) end
end
local rounds, looks = 0, 0
while #out < max and rounds < 100 and looks < ${LOOKS} do
  local r = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], lease, cursor, 'COUNT', max - #out, 'JUSTID')
  cursor = r[1]
  for _, id in ipairs(r[2]) do
    local due = redis.call('ZSCORE', KEYS[2], id)
    if not due or tonumber(due) <= now then
      if #out < max then take(id) else redis.call('ZADD', KEYS[2], now, id) end
    end
  end
  rounds, looks = rounds + 1, looks + #r[2]
  if cursor == '0-0' then break end
end
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
return {cursor, first[2] and math.max(0, tonumber(first[2]) - now) or -1, out}`)();
