/**
 * The Lua scripts that run inside Redis, each in one step.
 *
 * Invariants:
 * - An entry is changed only for its holder: it is pending for this consumer, with the delivery count that the consumer
 *   knows. Otherwise it stays as it is, and the script returns its id as lost.
 * - A message that waits for its next delivery stays pending, and the delayed set beside the stream has the time at
 *   which it is due. If that set is ever deleted, the message comes back at the end of its lease.
 * - A server whose memory is full refuses a command that may take more of it, but not once a script has begun to write.
 *   So each script that frees memory begins with a write that takes none.
 * - A verdict leaves a receipt (an idempotency record) before it does anything. A consumer that never got the answer
 *   sends the receipt's name when it repeats the verdict, and gets the right answer.
 * - If the group or the stream does not exist, the first question about an entry fails with NOGROUP.
 *
 * Lanes: the messages with one key that were read and have no verdict are a lane, in the order of the stream. A
 * consumer may have the first, and those that follow without a gap on the ones it holds. All others are parked: they
 * are pending for a consumer that does not exist, until the one before them has its verdict. So one that has failed
 * keeps its place, and those behind it wait.
 *
 *     lane of key k:   1-0         2-0         3-0         4-0          in this order
 *     pending for:     me          me          parked      parked       3-0 is freed by the verdict on 2-0
 *
 * The lanes are members of one sorted set, `<hash of the key>:<id>`. The member `!<id>` says how far the stream has
 * been searched for messages with keys. An entry is in its lane before any later one is given out, no matter which
 * consumer has read it. If the set is deleted, the lanes begin again.
 *
 * KEYS of all but CREATE: the stream, the delayed set, the lanes, the receipts. ARGV begin with the group and the
 * consumer.
 */

/** Lifts the memory limit for the rest of a script. */
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

/** Time for which a receipt is kept whose answer was lost, in ms. The next verdict removes those that were answered. */
const RECEIPTS = 3_600_000;

/**
 * The common start of verdicts. ARGV[3]: the name of this receipt. ARGV[4]: the receipts to remove.
 *
 * `holds` tells whether this consumer holds an entry with this delivery count. `receipts`: the names of earlier calls
 * with the same verdict on the same message, whose answers were lost. Such a call has counted if its receipt exists,
 * and did not note the message as lost.
 */
const VERDICT: string = /* @__PURE__ */ (() => `${NOW}${PENDING}${WRITE}
local lost, freed = {}, 0
redis.call('ZADD', KEYS[4], now, ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now - ${RECEIPTS})
for name in string.gmatch(ARGV[4], '%S+') do redis.call('ZREM', KEYS[4], name) end
local function holds(id, n, receipts)
  local p = pending(id)
  if p and p[2] == ARGV[2] and p[4] == tonumber(n) then return true end
  for name in string.gmatch(receipts, '%S+') do
    if redis.call('ZSCORE', KEYS[4], name) and not redis.call('ZSCORE', KEYS[4], name .. ' ' .. id) then return false end
  end
  redis.call('ZADD', KEYS[4], now, ARGV[3] .. ' ' .. id)
  lost[#lost + 1] = id
end
`)();

/** The consumer for which parked messages are pending. */
const PARKED = "'headgate:parked'";

const LANES = `
local function member(hash, id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return hash .. string.rep('0', 20 - #ms) .. ms .. '-' .. string.rep('0', 20 - #seq) .. seq
end
local function idOf(member)
  return string.match(string.sub(member, -41, -22), '^0*(%d+)$') .. '-' .. string.match(string.sub(member, -20), '^0*(%d+)$')
end
`;

/**
 * Settles an entry. ARGV[5]: 'delete' it, 'keep' it, or '': delete it if no other group reads the stream. Frees the
 * next in its lane.
 */
const SETTLE: string = /* @__PURE__ */ (() => `${LANES}
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
 * Makes the group, whose lanes begin empty. KEYS: the stream, the delayed set, the lanes; ARGV[1] is the group. If
 * there is something to settle, makes it also on a server that is full.
 */
export const CREATE: string = /* @__PURE__ */ (() => `
if redis.call('XLEN', KEYS[1]) > 0 then ${WRITE} end
local made = redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1)
return made`)();

/**
 * From ARGV[6]: id, delivery count, receipts, hash of the key. Like the next two, returns the lost ids, and 1 if a
 * parked message is free.
 */
export const ACK: string = /* @__PURE__ */ (() => `${VERDICT}${SETTLE}
for i = 6, #ARGV, 4 do
  if holds(ARGV[i], ARGV[i + 1], ARGV[i + 2]) then settle(ARGV[i], ARGV[i + 3]) end
end
return {lost, freed}`)();

/** Fields that `add` passes on at once. */
const STEP = 200;

/**
 * KEYS[5]: the stream for dead letters. From ARGV[6]: id, delivery count, receipts, hash of the key, reason. An entry
 * that is no longer in the stream is lost. The third result lists the refused dead letters: id, error. Their messages
 * stay as they are.
 *
 * `unpack` passes on some 8 000 arguments at most. So `add` calls itself with 200 more arguments in front each time,
 * which has no such bound.
 */
export const DEAD_LETTER: string = /* @__PURE__ */ (() => `${VERDICT}${SETTLE}
local refused = {}
local function add(f, n, ...)
  if n == 0 then return redis.pcall('XADD', KEYS[5], '*', ...) end
  if n < ${STEP} then return add(f, n - 1, f[n], ...) end
  local i = n - ${STEP}
  return add(f, i, ${Array.from({ length: STEP }, (_, i) => `f[i + ${i + 1}]`).join(", ")}, ...)
end
for i = 6, #ARGV, 5 do
  local id, n, hash = ARGV[i], ARGV[i + 1], ARGV[i + 3]
  if holds(id, n, ARGV[i + 2]) then
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

/** ARGV[5]: the lease. From ARGV[6]: id, delivery count, receipts, new delivery count, delay. */
export const NACK: string = /* @__PURE__ */ (() => `${VERDICT}
local lease = tonumber(ARGV[5])
for i = 6, #ARGV, 5 do
  local id, delay = ARGV[i], tonumber(ARGV[i + 4])
  if holds(id, ARGV[i + 1], ARGV[i + 2]) then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'IDLE', math.max(0, lease - delay), 'RETRYCOUNT', ARGV[i + 3], 'JUSTID')
    redis.call('ZADD', KEYS[2], now + delay, id)
  end
end
return {lost, freed}`)();

/** From ARGV[3]: id, delivery count. Returns the lost ids. */
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

/**
 * `isNext`: the entry may be given out to this consumer. `park`: it may not, and waits. ARGV[3]: the field with the
 * key, '' if there are no lanes. ARGV[4]: the ids in lanes that the consumer holds.
 */
const ADMISSION: string = /* @__PURE__ */ (() => `${LANES}
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
 * From ARGV[5]: the ids of messages with keys that were just read, in order. Puts every message that any consumer has
 * read into its lane. Returns for each of the ids the hash of its key if it may be given out, or '' after parking it.
 * May be called again with the same ids.
 */
export const ADMIT: string = /* @__PURE__ */ (() => `${PENDING}${WRITE}${ADMISSION}
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

/** Maximum of ids that a sweep examines: the server does nothing else meanwhile. */
const EXAMINED = 500;

/**
 * Takes the messages that are due, then those whose lease has run out. ARGV[5]: the lease, ARGV[6]: the maximum,
 * ARGV[7]: the cursor. Returns the next cursor, the ms until a message is due (-1: none is delayed), and the entries:
 * id, fields, delivery count, hash of the key.
 *
 * XAUTOCLAIM ... JUSTID restarts the lease and counts no delivery. Nothing else happens to a message whose delay is
 * longer.
 */
export const SWEEP: string = /* @__PURE__ */ (() => `${NOW}${PENDING}${WRITE}${ADMISSION}
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
local rounds, examined = 0, 0
while #out < max and rounds < 100 and examined < ${EXAMINED} do
  local r = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], lease, cursor, 'COUNT', max - #out, 'JUSTID')
  cursor = r[1]
  for _, id in ipairs(r[2]) do
    local due = redis.call('ZSCORE', KEYS[2], id)
    if not due or tonumber(due) <= now then
      if #out < max then take(id) else redis.call('ZADD', KEYS[2], now, id) end
    end
  end
  rounds, examined = rounds + 1, examined + #r[2]
  if cursor == '0-0' then break end
end
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
return {cursor, first[2] and math.max(0, tonumber(first[2]) - now) or -1, out}`)();
