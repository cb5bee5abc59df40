/**
 * What happens inside of Redis, each in one step.
 *
 * Invariants:
 * - An entry is changed only by who holds it: it is pending for this consumer, and has been delivered as often as the consumer knows.
 *   For all others it stays as it is, and the script returns their ids.
 * - A message that waits for its next delivery stays among the pending ones, and the time at which it is due is in a sorted set beside
 *   the stream. If that is ever lost, the message comes back when its lease has run out.
 * - When there is no such group, or no such stream, the first thing that is asked about an entry fails, and says so: NOGROUP.
 *
 * All but CREATE: KEYS are the stream and the sorted set; ARGV are the group and the consumer, then what is named there.
 */

const HELD = `
local lost = {}
local function held(id, n)
  local p = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)[1]
  if p and p[2] == ARGV[2] and p[4] == tonumber(n) then return true end
  lost[#lost + 1] = id
end
`;

/** Makes the group. The only KEY is the stream; ARGV[1] is the group. */
export const CREATE = "return redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')";

/** An entry that other groups may still want stays in the stream, unless 'delete' or 'keep' was asked for: ARGV[3]. */
const SETTLE = `
local remove
local function settle(id)
  if remove == nil then
    remove = ARGV[3] == 'delete' or ARGV[3] == '' and #redis.call('XINFO', 'GROUPS', KEYS[1]) == 1
  end
  redis.call('XACK', KEYS[1], ARGV[1], id)
  if remove then redis.call('XDEL', KEYS[1], id) end
end
`;

const NOW = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
`;

/** From ARGV[4]: id, deliveries. */
export const ACK: string = /* @__PURE__ */ (() => `${HELD}${SETTLE}
for i = 4, #ARGV, 2 do
  if held(ARGV[i], ARGV[i + 1]) then settle(ARGV[i]) end
end
return lost`)();

/** KEYS[3]: where the dead go. From ARGV[4]: id, deliveries, reason. An entry that is no longer in the stream is lost. */
export const BURY: string = /* @__PURE__ */ (() => `${HELD}${SETTLE}
for i = 4, #ARGV, 3 do
  local id = ARGV[i]
  if held(id, ARGV[i + 1]) then
    local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
    if entry then
      local fields = entry[2]
      for _, f in ipairs({'headgate-reason', ARGV[i + 2], 'headgate-attempts', ARGV[i + 1], 'headgate-entry', id}) do
        fields[#fields + 1] = f
      end
      redis.call('XADD', KEYS[3], '*', unpack(fields))
    else
      lost[#lost + 1] = id
    end
    settle(id)
  end
end
return lost`)();

/** From ARGV[3]: id, deliveries. */
export const EXTEND: string = /* @__PURE__ */ (() => `${HELD}
for i = 3, #ARGV, 2 do
  if held(ARGV[i], ARGV[i + 1]) then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'IDLE', 0, 'JUSTID')
  end
end
return lost`)();

/** ARGV[3]: the lease. From ARGV[4]: id, deliveries, deliveries to count from now on, delay. */
export const NACK: string = /* @__PURE__ */ (() => `${HELD}${NOW}
local lease = tonumber(ARGV[3])
for i = 4, #ARGV, 4 do
  local id, delay = ARGV[i], tonumber(ARGV[i + 3])
  if held(id, ARGV[i + 1]) then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'IDLE', math.max(0, lease - delay), 'RETRYCOUNT', ARGV[i + 2], 'JUSTID')
    redis.call('ZADD', KEYS[2], now + delay, id)
  end
end
return lost`)();

/**
 * Takes what is due, then what has outlasted its lease. ARGV[3]: the lease, ARGV[4]: how many at most, ARGV[5]: where to go on.
 * Returns where to go on next, in how many ms something is due (-1: nothing is), and the entries: id, fields, deliveries.
 *
 * XAUTOCLAIM ... JUSTID restarts the lease and counts no delivery. That is all that happens to those whose delay is longer.
 */
export const SWEEP: string = /* @__PURE__ */ (() => `${NOW}
local lease, max, cursor, out = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], {}
local function take(id)
  redis.call('ZREM', KEYS[2], id)
  local p = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)[1]
  if not p then return end
  local entry = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id)[1]
  if entry then out[#out + 1] = {id, entry[2], p[4] + 1} else redis.call('XACK', KEYS[1], ARGV[1], id) end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, max)) do take(id) end
local rounds = 0
while #out < max and rounds < 100 do
  local r = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], lease, cursor, 'COUNT', max - #out, 'JUSTID')
  cursor = r[1]
  for _, id in ipairs(r[2]) do
    local due = redis.call('ZSCORE', KEYS[2], id)
    if not due or tonumber(due) <= now then take(id) end
  end
  rounds = rounds + 1
  if cursor == '0-0' then break end
end
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
return {cursor, first[2] and math.max(0, tonumber(first[2]) - now) or -1, out}`)();
