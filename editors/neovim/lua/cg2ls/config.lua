--- The plugin's settings: meaning, defaults, and validation.

local say = require('cg2ls.say')

local M = {}

---@class cg2ls.Config
---@field cmd string[]? the server's command; nil for `cg2ls` on PATH, else the one that `:Cg2ls install` made
---@field filetypes string[]|'*' where completions are shown
---@field enabled fun(buf: integer): boolean? returns false to leave a buffer out
---@field show 'ghost'|'menu' ghost text, or one entry of the completion menu
---@field ghost_text 'auto'|'native'|'own' who draws: Neovim 0.12 ('native') or this plugin, which is faster ('auto')
---@field auto boolean ask while typing; false: only when `complete()` is called
---@field debounce_ms integer quiet time after a key before this plugin's own ghost text asks the server
---@field model string? a model's name or folder; nil for the user's lasting choice
---@field settings table the server's options, see docs/reference/options.md
---@field keymaps table<cg2ls.Action, string|false> keys of insert mode; each has its usual meaning without ghost text
---@field root_markers string[] files and folders that mark a workspace's root
---@field python string? the Python that `:Cg2ls install` makes an environment with; nil for one on PATH

---@alias cg2ls.Action 'accept'|'accept_word'|'accept_line'|'next'|'previous'|'dismiss'|'complete'

---@type cg2ls.Config
M.defaults = {
  cmd = nil,
  filetypes = { 'python' },
  enabled = function()
    return true
  end,
  show = 'ghost',
  ghost_text = 'auto',
  auto = true,
  debounce_ms = 40,
  model = nil,
  settings = {},
  keymaps = {
    accept = '<C-l>',
    accept_word = '<M-w>',
    accept_line = '<M-l>',
    next = '<M-n>',
    previous = '<M-p>',
    dismiss = '<M-c>',
    complete = false,
  },
  root_markers = { '.git', '.hg', 'pyproject.toml', 'setup.py', 'Cargo.toml', 'package.json', 'go.mod' },
  python = nil,
}

---@type cg2ls.Config
M.current = vim.deepcopy(M.defaults)

local function one_of(...)
  local allowed = { ... }
  return function(value)
    return vim.list_contains(allowed, value), "one of '" .. table.concat(allowed, "', '") .. "'"
  end
end

local function a(kind)
  return function(value)
    return type(value) == kind, 'a ' .. kind
  end
end

local function strings(value)
  local right = type(value) == 'table' and vim.islist(value)
  for _, item in ipairs(right and value or {}) do
    right = right and type(item) == 'string'
  end
  return right, 'a list of strings'
end

local function keys(value)
  local right = type(value) == 'table'
  for action, key in pairs(right and value or {}) do
    right = right and M.defaults.keymaps[action] ~= nil and (key == false or type(key) == 'string')
  end
  return right,
    'a table of ' .. table.concat(vim.fn.sort(vim.tbl_keys(M.defaults.keymaps)), ', ') .. ', each a key or false'
end

--- For each setting: whether a value is valid, and what it should be.
---@type table<string, fun(value: any): boolean, string>
M.checks = {
  cmd = function(value)
    return strings(value) and #value > 0, "a list of strings like { 'cg2ls' }"
  end,
  filetypes = function(value)
    return value == '*' or (strings(value)), "a list of file types, or '*'"
  end,
  enabled = a('function'),
  show = one_of('ghost', 'menu'),
  ghost_text = one_of('auto', 'native', 'own'),
  auto = a('boolean'),
  debounce_ms = function(value)
    return type(value) == 'number' and value >= 0 and value <= 10000, 'a number of milliseconds from 0 to 10000'
  end,
  model = a('string'),
  settings = a('table'),
  keymaps = keys,
  root_markers = strings,
  python = a('string'),
}

--- Applies settings. An invalid one is reported, and its default is used.
---@param given table?
---@return cg2ls.Config
function M.set(given)
  local right = {}
  for name, value in pairs(given or {}) do
    local check = M.checks[name]
    if not check then
      say.once(('there is no setting `%s`; :help cg2ls-settings has them all.'):format(name), vim.log.levels.WARN)
    else
      local fine, wanted = check(value)
      if fine then
        right[name] = value
      else
        say.once(('the setting `%s` must be %s; the default is used.'):format(name, wanted), vim.log.levels.WARN)
      end
    end
  end
  M.current = vim.tbl_deep_extend('force', vim.deepcopy(M.defaults), right)
  for _, list in ipairs({ 'cmd', 'filetypes', 'root_markers' }) do
    if right[list] then -- 0.10 would merge lists by index
      M.current[list] = right[list]
    end
  end
  return M.current
end

return M
