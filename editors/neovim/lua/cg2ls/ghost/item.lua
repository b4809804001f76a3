--- One answer of the server, and the part of it that the buffer does not have yet.

local text_of = require('cg2ls.text')

local M = {}

---@class cg2ls.Item
---@field text string with \n line ends
---@field row integer 0-based
---@field col integer 0-based byte at which the text begins
---@field covered integer bytes after the cursor that the text replaces
---@field tail string text after those bytes
---@field client_id integer
---@field command table? run after the whole text was accepted

---@class cg2ls.Left
---@field text string what is still to be written at the cursor
---@field covered string text after the cursor that it replaces
---@field row integer 0-based, the cursor's
---@field col integer

--- The cursor of a buffer that has the current window.
---@return integer? row 0-based
---@return integer col
function M.cursor(buf)
  if vim.api.nvim_get_current_buf() ~= buf then
    return nil, 0
  end
  local row, col = unpack(vim.api.nvim_win_get_cursor(0))
  return row - 1, col
end

--- The rest of an item, given the text typed since.
---
--- Closers that the editor inserted meanwhile count as covered if the text has them too.
---@param item cg2ls.Item
---@param buf integer
---@return cg2ls.Left? left nil if something else was typed, or nothing is left
function M.left(item, buf)
  local row, col = M.cursor(buf)
  if row ~= item.row or col < item.col then
    return nil
  end
  local line = vim.api.nvim_buf_get_lines(buf, row, row + 1, false)[1] or ''
  local text = text_of.rest(item.text, line:sub(item.col + 1, col))
  if not text or text == '' then
    return nil
  end
  local right = line:sub(col + 1)
  if not vim.endswith(right, item.tail) then
    return nil
  end
  local covered = right:sub(1, #right - #item.tail)
  if col > item.col and not text_of.align(text, covered) then
    return nil
  end
  return { text = text, covered = covered, row = row, col = col }
end

--- The rest of an item after its beginning was accepted, as an item at the cursor.
---@param item cg2ls.Item
---@param left cg2ls.Left what was left before
---@param accepted string
---@return cg2ls.Item? rest nil if nothing is left
function M.after(item, left, accepted)
  local text = left.text:sub(#accepted + 1)
  if text == '' then
    return nil
  end
  local row, col = M.cursor(vim.api.nvim_get_current_buf())
  local consumed = text_of.consumed(left.text, left.covered, #accepted)
  return vim.tbl_extend('force', item, { text = text, row = row, col = col, covered = #left.covered - consumed })
end

return M
