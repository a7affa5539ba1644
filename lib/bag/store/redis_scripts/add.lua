-- SPDX-License-Identifier: MIT
-- Adds to a number of 64 bits without sign, or takes away: past the largest it begins
-- again with 0, below 0 it stays 0. Lua's numbers are exact to 53 bits only, so each is
-- two of ten digits.
-- ARGV: envelope's size, nonce, 'up' | 'down', by. Answers the number in digits.
-- With: envelope

local nonce, direction, by = unpack(ARGV, 2)

local HALF = 10000000000
local MOST_HIGH, MOST_LOW = 1844674407, 3709551615

local function is_above(high, low, other_high, other_low)
    return high > other_high or (high == other_high and low > other_low)
end

-- Blanks may follow: memcached leaves them where a number grew shorter.
local function read(text)
    local digits = string.match(text, '^0*(%d+) *$')
    if not digits or #digits > 20 then
        return nil
    end
    digits = string.rep('0', 20 - #digits) .. digits
    local high, low = tonumber(string.sub(digits, 1, 10)), tonumber(string.sub(digits, 11))
    if is_above(high, low, MOST_HIGH, MOST_LOW) then
        return nil
    end
    return high, low
end

local function write(high, low)
    if high == 0 then
        return string.format('%.0f', low)
    end
    return string.format('%.0f%010.0f', high, low)
end

local function add(high, low, by_high, by_low)
    high, low = high + by_high, low + by_low
    if low >= HALF then
        high, low = high + 1, low - HALF
    end
    if is_above(high, low, MOST_HIGH, MOST_LOW) then
        high, low = high - MOST_HIGH, low - MOST_LOW - 1
    end
    if low < 0 then
        high, low = high - 1, low + HALF
    end
    return high, low
end

local function take(high, low, by_high, by_low)
    if not is_above(high, low, by_high, by_low) then
        return 0, 0
    end
    high, low = high - by_high, low - by_low
    if low < 0 then
        high, low = high - 1, low + HALF
    end
    return high, low
end

local head, why = look()
if not head then
    return why
end
local high, low = read(redis.call('GETRANGE', key, before, -1))
if not high then
    return NO_NUMBER
end
local by_high, by_low = read(by)
local sum
if direction == 'up' then
    sum = write(add(high, low, by_high, by_low))
else
    sum = write(take(high, low, by_high, by_low))
end
if before > 0 then
    head = signed(head, nonce)
end
redis.call('SET', key, head .. sum, 'KEEPTTL')
return sum
