--- Code completion on your own machine: the plugin's functions for users.

local config = require('cg2ls.config')
local ghost = require('cg2ls.ghost')
local keymaps = require('cg2ls.keymaps')
local server = require('cg2ls.server')
local status = require('cg2ls.status')

local M = {}

local group ---@type integer?
local enabled = true

--- Whether completions are wanted in a buffer.
local function is_wanted(buf)
  local filetypes = config.current.filetypes
  local filetype = vim.bo[buf].filetype
  return enabled
    and vim.bo[buf].buftype == ''
    and vim.b[buf].cg2ls ~= false
    and filetype ~= ''
    and (filetypes == '*' or vim.list_contains(filetypes, filetype))
    and config.current.enabled(buf) ~= false
end

--- Begins or ends completion in a buffer, according to the settings.
local function settle(buf)
  if not vim.api.nvim_buf_is_loaded(buf) then
    return
  end
  if is_wanted(buf) then
    server.start(buf)
    keymaps.set(buf)
  else
    server.leave(buf)
    keymaps.remove(buf)
  end
end

local function settle_all()
  for _, buf in ipairs(vim.api.nvim_list_bufs()) do
    settle(buf)
  end
end

local function when(events, callback)
  vim.api.nvim_create_autocmd(events, { group = group, callback = callback })
end

--- Begins to complete code. May be called again with other settings, which take effect at once.
---@param settings? table see |cg2ls-settings|
function M.setup(settings)
  local before = group and vim.deepcopy(config.current)
  local now = config.set(settings)
  group = vim.api.nvim_create_augroup('cg2ls', { clear = true })
  require('cg2ls.ghost.draw').define_highlights()
  when('ColorScheme', require('cg2ls.ghost.draw').define_highlights)
  when('FileType', function(event)
    settle(event.buf)
  end)
  when({ 'BufEnter', 'CursorMoved', 'InsertEnter' }, function(event)
    server.look_at(event.buf)
  end)
  when({ 'BufUnload', 'BufDelete' }, function(event)
    server.leave(event.buf)
  end)
  status.watch(group)
  settle_all()
  if not before then
    return
  elseif not vim.deep_equal(before.cmd, now.cmd) or before.show ~= now.show then
    server.restart()
  else
    server.push_settings()
    server.show_again()
  end
end

--- Changes options of the server while it runs; options that are not given do not change.
---@param options table see docs/reference/options.md
function M.configure(options)
  config.current.settings = vim.tbl_deep_extend('force', config.current.settings, options)
  server.push_settings()
end

--- Accepts the whole ghost text.
---@return boolean accepted
function M.accept()
  return ghost.accept(vim.api.nvim_get_current_buf(), 'all')
end

--- Accepts its first word.
---@return boolean accepted
function M.accept_word()
  return ghost.accept(vim.api.nvim_get_current_buf(), 'word')
end

--- Accepts its first line.
---@return boolean accepted
function M.accept_line()
  return ghost.accept(vim.api.nvim_get_current_buf(), 'line')
end

--- Shows the next answer of several.
---@return boolean
function M.next()
  return ghost.call('cycle', vim.api.nvim_get_current_buf(), 1)
end

--- Shows the previous answer of several.
---@return boolean
function M.previous()
  return ghost.call('cycle', vim.api.nvim_get_current_buf(), -1)
end

--- Hides the ghost text until the next key.
---@return boolean
function M.dismiss()
  local buf = vim.api.nvim_get_current_buf()
  return ghost.shown(buf) ~= nil and ghost.call('dismiss', buf)
end

--- Requests ghost text now.
---@return boolean
function M.complete()
  return ghost.call('complete', vim.api.nvim_get_current_buf())
end

--- Whether there is ghost text, for mappings of your own.
---@return boolean
function M.is_shown()
  return ghost.shown(vim.api.nvim_get_current_buf()) ~= nil
end

--- Switches completion on or off.
---@param on? boolean nil to toggle
---@param scope? 'all'|'buffer' 'all' by default
function M.toggle(on, scope)
  if scope == 'buffer' then
    local buf = vim.api.nvim_get_current_buf()
    if on == nil then
      on = vim.b[buf].cg2ls == false
    end
    vim.b[buf].cg2ls = on
    settle(buf)
    return
  end
  if on == nil then
    on = not enabled
  end
  enabled = on
  settle_all()
  if not on then
    server.stop()
    status.set('off', 'Off; `:Cg2ls enable` switches it on.')
  end
end

--- Chooses another model.
---@param name string? a model's name or folder; nil for the user's lasting choice
function M.use_model(name)
  config.current.model = name
  server.push_settings()
end

--- Returns the status: state, model, message and latency.
---@return cg2ls.Status
function M.status()
  return vim.deepcopy(status.now)
end

--- Returns a short text for a statusline.
---@return string
function M.statusline()
  return status.line()
end

return M
