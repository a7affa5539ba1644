-- SPDX-License-Identifier: MIT
-- Deletes an item if it is the one that was seen. ARGV: envelope's size, token.
-- With: envelope

local head, why = look()

if not head then
    return why
end
if string.sub(head, 9, 16) ~= ARGV[2] then
    return OTHER
end
redis.call('UNLINK', key)
return DONE
