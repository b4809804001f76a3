--- Inside the Neovim that is measured: types by a clock, and notes when the screen shows it.
---
--- Times are from the moment a key was due, so that a Neovim that is busy and takes it late counts as slow.

local M = {}

local shown = vim.api.nvim_create_namespace('cg2ls.bench')

local function ghost_is_there()
  for _, name in ipairs({ 'cg2ls.ghost', 'nvim.lsp.inline_completion' }) do
    local space = vim.api.nvim_create_namespace(name)
    if #vim.api.nvim_buf_get_extmarks(0, space, 0, -1, { limit = 1 }) > 0 then
      return true
    end
  end
  return false
end

--- Calls a function whenever the screen was drawn.
local function on_draw(callback)
  vim.api.nvim_set_decoration_provider(shown, {
    on_end = function()
      callback(vim.uv.hrtime())
    end,
  })
end

local function key(character)
  return character == '<' and '<lt>' or character == '\n' and '<CR>' or character
end

local function write(path, value)
  vim.fn.writefile({ vim.json.encode(value) }, path)
end

--- Types keys, with a pause after every few as people make them, and writes milliseconds from key to screen.
---@param text string
---@param gap_ms integer between keys
---@param pause_every integer keys
---@param pause_ms integer
---@param path string
function M.type(text, gap_ms, pause_every, pause_ms, path)
  local due, took = {}, {}
  local at = vim.uv.hrtime() + 5e8
  for i = 1, #text do
    due[i] = at
    at = at + (i % pause_every == 0 and pause_ms or gap_ms) * 1e6
  end
  local sent, drawn = 0, 0
  local ticks = {}
  on_draw(function(now)
    local tick = vim.api.nvim_buf_get_changedtick(0)
    while drawn < sent and tick > (ticks[drawn + 1] or math.huge) do
      drawn = drawn + 1
      took[drawn] = (now - due[drawn]) / 1e6
    end
  end)
  local timer = assert(vim.uv.new_timer())
  timer:start(
    0,
    1,
    vim.schedule_wrap(function()
      local now = vim.uv.hrtime()
      if sent < #text and sent == drawn and now >= due[sent + 1] then
        sent = sent + 1
        ticks[sent] = vim.api.nvim_buf_get_changedtick(0)
        vim.api.nvim_input(key(text:sub(sent, sent)))
      elseif drawn == #text and not timer:is_closing() then
        timer:close()
        write(path, took)
      end
    end)
  )
end

local MISSED_MS = 3000

--- Types a line into a function at the file's end, time after time, and writes milliseconds from the last key to ghost
--- text on the screen. The function's name differs, so that no answer is one that was given before.
---@param lines string[] the file before the function
---@param line string
---@param gap_ms integer between keys
---@param times integer
---@param path string the milliseconds; `missed` counts where nothing was shown
function M.ghost(lines, line, gap_ms, times, path)
  local took, missed, rounds = {}, 0, 0
  local began ---@type integer?
  local round
  on_draw(function(now)
    if began and ghost_is_there() then
      took[#took + 1] = (now - began) / 1e6
      began = nil
      vim.schedule(round)
    end
  end)
  local function type_from(i)
    vim.api.nvim_input(line:sub(i, i))
    if i < #line then
      vim.defer_fn(function()
        type_from(i + 1)
      end, gap_ms)
    else
      began = vim.uv.hrtime()
      local mine = rounds
      vim.defer_fn(function()
        if began and mine == rounds then
          missed, began = missed + 1, nil
          round()
        end
      end, MISSED_MS)
    end
  end
  function round()
    if rounds == times then
      write(path, { took = took, missed = missed })
      return
    end
    rounds = rounds + 1
    vim.cmd.stopinsert()
    vim.defer_fn(function()
      vim.api.nvim_buf_set_lines(0, 0, -1, false, lines)
      local head = ('def print_report_%d(inventory: Inventory) -> None:'):format(rounds)
      vim.api.nvim_buf_set_lines(0, -1, -1, false, { head, '    """Prints what is available."""', '    ' })
      vim.api.nvim_win_set_cursor(0, { vim.api.nvim_buf_line_count(0), 0 })
      vim.api.nvim_input('A')
      vim.defer_fn(function()
        type_from(1)
      end, 50)
    end, 50)
  end
  round()
end

--- Begins as soon as the server is ready, or at once where there is none.
---@param plugin boolean
---@param work fun()
function M.when_ready(plugin, work)
  if not plugin or require('cg2ls').status().state == 'ready' then
    vim.defer_fn(work, 500)
  else
    vim.defer_fn(function()
      M.when_ready(plugin, work)
    end, 50)
  end
end

return M
