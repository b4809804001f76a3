--- Writes accepted text into a buffer.

local M = {}

--- Replaces some bytes after the cursor by a text, as one step for undo.
---@param buf integer the current window's buffer
---@param text string
---@param replaced integer bytes
function M.insert(buf, text, replaced)
  local row, col = unpack(vim.api.nvim_win_get_cursor(0))
  row = row - 1
  vim.cmd('let &g:undolevels = &g:undolevels') -- the text typed before is a separate undo step
  local lines = vim.split(text, '\n', { plain = true })
  vim.api.nvim_buf_set_text(buf, row, col, row, col + replaced, lines)
  local last = #lines[#lines]
  vim.api.nvim_win_set_cursor(0, { row + #lines, #lines == 1 and col + last or last })
  vim.cmd('let &g:undolevels = &g:undolevels') -- and so is the text typed after
end

return M
