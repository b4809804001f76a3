--- Writes accepted text into a buffer.

local M = {}

--- Writes a text at the cursor in place of some bytes right of it, as one step that one undo takes back.
---@param buf integer the current window's buffer
---@param text string
---@param replaced integer bytes
function M.insert(buf, text, replaced)
  local row, col = unpack(vim.api.nvim_win_get_cursor(0))
  row = row - 1
  vim.cmd('let &g:undolevels = &g:undolevels') -- what was typed until now is a step of its own
  local lines = vim.split(text, '\n', { plain = true })
  vim.api.nvim_buf_set_text(buf, row, col, row, col + replaced, lines)
  local last = #lines[#lines]
  vim.api.nvim_win_set_cursor(0, { row + #lines, #lines == 1 and col + last or last })
  vim.cmd('let &g:undolevels = &g:undolevels') -- and so is what is typed from now on
end

return M
