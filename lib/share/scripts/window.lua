-- SPDX-License-Identifier: MIT
-- A breaker's window. A slot has a stamp, its number cut to 32 bits, and what ended in it:
-- ok, bad, slow. The newest slot and the sum of the older ones are kept beside the others,
-- so that most reports are added, judged and stored without these. README.md has the
-- layout.

local U32 = 2 ^ 32
local SLOT_SIZE, WIDTH_MAX = 16, 64
local slots_format = {}

local function format_of(width)
    local format = slots_format[width]
    if not format then
        format = '>' .. string.rep('I4I4I4I4', width)
        slots_format[width] = format
    end
    return format
end

local function window_clear(b)
    b.raw, b.slots = nil, nil
    b.newest, b.new_ok, b.new_bad, b.new_slow = 0, 0, 0, 0
    b.calls, b.failed, b.slowed = 0, 0, 0
end

-- All slots but the newest, one after the other; whoever asks for them may change them.
local function slots_of(b)
    if not b.slots then
        b.slots = b.raw and { struct.unpack(format_of(b.width), b.raw, b.slots_at) }
    end
    if not b.slots then
        b.slots = {}
        for i = 1, b.width * 4 do
            b.slots[i] = 0
        end
    end
    return b.slots
end

-- As they are stored.
local function slots_pack(b)
    return b.slots and struct.pack(format_of(b.width), unpack(b.slots)) or
        b.raw and string.sub(b.raw, b.slots_at) or
        string.rep('\0', b.width * SLOT_SIZE)
end

local function slot_set(b, stamp, ok, bad, slow)
    local slots, at = slots_of(b), stamp % b.width * 4 + 1
    slots[at], slots[at + 1], slots[at + 2], slots[at + 3] = stamp, ok, bad, slow
end

local function slot_get(b, stamp)
    local slots, at = slots_of(b), stamp % b.width * 4 + 1
    if slots[at] ~= stamp then
        return 0, 0, 0
    end
    return slots[at + 1], slots[at + 2], slots[at + 3]
end

local function sum_older(b)
    b.calls, b.failed, b.slowed = 0, 0, 0
    for age = 1, b.width - 1 do
        local ok, bad, slow = slot_get(b, (b.newest - age) % U32)
        b.calls = b.calls + ok + bad
        b.failed = b.failed + bad
        b.slowed = b.slowed + slow
    end
end

-- Makes the slot of now the newest.
local function window_turn(b)
    local stamp = math.floor(now / b.slot_ms) % U32
    if b.newest ~= stamp then
        slot_set(b, b.newest, b.new_ok, b.new_bad, b.new_slow)
        b.newest = stamp
        b.new_ok, b.new_bad, b.new_slow = slot_get(b, stamp)
        sum_older(b)
    end
end

local function plus(a, b)
    return math.min(a + b, U32 - 1)
end

-- Adds what ended so many slots ago. False: that is none of this window's.
local function window_add(b, age, ok, bad, slow)
    if age == 0 then
        b.new_ok, b.new_bad = plus(b.new_ok, ok), plus(b.new_bad, bad)
        b.new_slow = plus(b.new_slow, slow)
        return true
    end
    local first = math.floor(b.changed / b.slot_ms)
    if age >= b.width or math.floor(now / b.slot_ms) - age < first then
        return false
    end
    local stamp = (b.newest - age) % U32
    local old_ok, old_bad, old_slow = slot_get(b, stamp)
    slot_set(b, stamp, plus(old_ok, ok), plus(old_bad, bad), plus(old_slow, slow))
    sum_older(b)
    return true
end

-- Calls, failures and slow ones of the window that ends with the newest slot.
local function total_then(b)
    return b.calls + b.new_ok + b.new_bad, b.failed + b.new_bad, b.slowed + b.new_slow
end

-- The same of the window of now.
local function total(b)
    window_turn(b)
    return total_then(b)
end
