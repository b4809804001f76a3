--- Draws ghost text as extmarks.

local text_of = require('cg2ls.text')

local M = {}

M.namespace = vim.api.nvim_create_namespace('cg2ls.ghost')

local GHOST = 'Cg2lsGhost'
local COUNT = 'Cg2lsCount'

--- Links the highlight groups where the colour scheme or the user has not set them.
function M.define_highlights()
  local has_hint = vim.fn.hlexists('ComplHint') == 1
  vim.api.nvim_set_hl(0, GHOST, { default = true, link = has_hint and 'ComplHint' or 'NonText' })
  vim.api.nvim_set_hl(0, COUNT, { default = true, link = has_hint and 'ComplHintMore' or 'MoreMsg' })
end

--- Removes what is drawn in a buffer.
---@param buf integer
function M.clear(buf)
  if vim.api.nvim_buf_is_valid(buf) then
    vim.api.nvim_buf_clear_namespace(buf, M.namespace, 0, -1)
  end
end

local function mark(buf, row, col, options)
  options.hl_mode = 'combine'
  options.right_gravity = true
  vim.api.nvim_buf_set_extmark(buf, M.namespace, row, col, options)
end

--- Draws a text at a place.
---
--- If the text's first line has the covered characters too, it is drawn around them.
---@param buf integer
---@param row integer 0-based
---@param col integer 0-based byte
---@param text string
---@param covered string text after the place that is replaced
---@param note? string drawn after the text
function M.show(buf, row, col, text, covered, note)
  M.clear(buf)
  local lines = vim.split(text, '\n', { plain = true })
  local first = lines[1]
  local below = {}
  for i = 2, #lines do
    below[#below + 1] = { { lines[i], GHOST } }
  end
  if note then
    local last = below[#below]
    if last then
      last[#last + 1] = { note, COUNT }
    end
  end

  local offsets = #lines == 1 and text_of.align(first, covered) or nil
  local from = 0
  if offsets then
    for i, offset in ipairs(offsets) do
      if offset > from then
        mark(
          buf,
          row,
          col + i - 1,
          { virt_text = { { first:sub(from + 1, offset), GHOST } }, virt_text_pos = 'inline' }
        )
      end
      from = offset + 1
    end
    col = col + #offsets
  elseif covered ~= '' then
    mark(buf, row, col, { virt_text = { { (' '):rep(vim.fn.strdisplaywidth(covered)) } }, virt_text_pos = 'overlay' })
  end
  local chunks = { { first:sub(from + 1), GHOST } }
  if note and #below == 0 then
    chunks[2] = { note, COUNT }
  end
  mark(buf, row, col, {
    virt_text = chunks,
    virt_text_pos = 'inline',
    virt_lines = #below > 0 and below or nil,
  })
end

return M
