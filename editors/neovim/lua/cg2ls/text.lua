--- Pure functions on ghost text. Strings are UTF-8, offsets count bytes.

local M = {}

-- Bytes of 128 and more belong to words, so that no character is ever cut in two.
local WORD = '^%s*[%w_\128-\255]+'
local PUNCTUATION = '^%s*[^%w_%s\128-\255]+'

--- The rest of a text after its beginning has been typed.
---@param text string
---@param typed string
---@return string? rest nil if something else was typed
function M.rest(text, typed)
  if vim.startswith(text, typed) then
    return text:sub(#typed + 1)
  end
end

--- The first word of a text or its first run of punctuation, with the blanks before it.
---@param text string
---@return string
function M.first_word(text)
  return text:match(WORD) or text:match(PUNCTUATION) or text
end

--- The first line of a text without its line end; where the text begins with a line end, that and the line after it.
---@param text string
---@return string
function M.first_line(text)
  return text:match('^\n?[^\n]*')
end

--- Offsets in a text of the characters that it covers, so that they need not be drawn or written again.
---
--- The covered characters are closers after the cursor that the text contains too. The last ones of the text count,
--- from the right.
---@param text string
---@param covered string
---@return integer[]? offsets 0-based, one for each byte of `covered`; nil if they are not in the text in their order
function M.align(text, covered)
  local offsets = {}
  local at = #text
  for i = #covered, 1, -1 do
    local byte = covered:byte(i)
    while at > 0 and text:byte(at) ~= byte do
      at = at - 1
    end
    if at == 0 then
      return nil
    end
    at = at - 1
    offsets[i] = at
  end
  return offsets
end

--- The number of covered characters that an accepted beginning of the text replaces.
---@param text string
---@param covered string
---@param length integer bytes of `text` that are accepted
---@return integer
function M.consumed(text, covered, length)
  if length >= #text then
    return #covered
  end
  local count = 0
  for _, offset in ipairs(M.align(text, covered) or {}) do
    count = count + (offset < length and 1 or 0)
  end
  return count
end

--- The part of a text that one key accepts.
---@param text string
---@param part 'all'|'word'|'line'
---@return string
function M.part(text, part)
  if part == 'word' then
    return M.first_word(text)
  elseif part == 'line' then
    return M.first_line(text)
  end
  return text
end

return M
