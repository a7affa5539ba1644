-- SPDX-License-Identifier: MIT
-- With: common window breaker
--
-- An operator's lock is set, lifted, or brought back by a member that knows more than a
-- server which lost it. Of two operators the second is told what the first did: a change
-- names the number of the lock it replaces. Numbers come from the clock and never
-- return, so that no member takes a new lock for one it saw lifted.
--
-- KEYS  meta, channel, index, breaker, lock
-- ARGV  operation, kind, number expected ("any"), milliseconds (0: no end), reason,
--       actor, number to bring back, sharded (0, 1)

local META, CHANNEL, INDEX, BREAKER_KEY, LOCK_KEY = unpack(KEYS)
local NAME = name_of(META, BREAKER_KEY)
local DONE, CONFLICT = 0, 1

local operation, kind, expected = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local length, restored = tonumber(ARGV[4]), tonumber(ARGV[7])
local reason = string.sub(ARGV[5], 1, REASON_MOST)
local actor = string.sub(ARGV[6], 1, ACTOR_MOST)
local sharded = ARGV[8] == '1'

local values = redis.call('MGET', BREAKER_KEY, LOCK_KEY)
local b, lock = breaker_read(BREAKER_KEY, values[1]), lock_read(values[2])

-- How long a key is kept that says nothing but "lifted": until every member's view of
-- the lock is too old to be brought back.
local function keep_ms()
    return kind == 0 and DAY or length
end

local function store(epoch)
    local till = kind > 0 and length > 0 and now + length or 0
    lock = { kind = kind, epoch = epoch, till = till, at = now, reason = reason,
             actor = actor }
    local raw = struct.pack(LOCK, 76, 1, kind, epoch, till, now, #reason, #actor) ..
        reason .. actor
    if keep_ms() > 0 then
        redis.call('SET', LOCK_KEY, raw, 'PX', keep_ms())
    else
        redis.call('SET', LOCK_KEY, raw)
    end
    tell(NAME, b, lock)
end

-- A lock without an end is listed without an end.
local function list_it()
    local endless = kind > 0 and length == 0
    if not endless then
        safely('ZREM', INDEX, NAME)
    end
    list(INDEX, { endless and '+inf' or now + math.max(keep_ms(), DAY), NAME })
end

local function may_change()
    if operation == 'restore' then
        return restored > lock.epoch and restored <= now + DAY
    end
    return expected == 'any' or tonumber(expected) == lock.epoch
end

local code = CONFLICT
if may_change() then
    store(operation == 'restore' and restored or math.max(lock.epoch + 1, now))
    list_it()
    code = DONE
end
publish(CHANNEL, generation(META), sharded)
return { code, view(b, lock, 0), lock.reason, lock.actor, corrupt }
