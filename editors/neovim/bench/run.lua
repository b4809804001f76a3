--- Measures in a real terminal, with the shipped model: from key to ghost text on the screen, and from key to screen
--- with and without the plugin.
---
---   editors/neovim/bench/run [--json] [--rounds N]

local here = vim.fs.dirname(vim.fs.normalize(vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p')))
package.path = vim.fs.dirname(here) .. '/tests/?.lua;' .. package.path

local editor = require('editor')
local terminal = require('terminal')

local KEYS, GAP_MS, PAUSE_EVERY, PAUSE_MS = 300, 30, 15, 260
local GHOST_TIMES, GHOST_GAP_MS, GHOST_AFTER, GHOST_LINE = 30, 25, 69, 'for item in inven'
local LIMIT_MS = 180000

local json, rounds = false, 3
for i, word in ipairs(arg) do
  json = json or word == '--json'
  rounds = word == '--rounds' and tonumber(arg[i + 1]) or rounds
end

local source = vim.fn.readfile(editor.repository .. '/tools/samples/inventory.py')
local text = table.concat(source, '\n'):sub(1, KEYS)

--- Runs one session in a terminal and gives back its milliseconds.
---@param settings table|false
---@param work string Lua that calls `session` and gets `path`
local function measured(settings, work)
  local folder = vim.fn.tempname()
  vim.fn.mkdir(folder, 'p')
  local path, result = folder .. '/inventory.py', folder .. '/result.json'
  vim.fn.writefile(source, path)
  local window = terminal.open(path, {
    columns = 100,
    lines = 40,
    settings = settings,
    after = ([[
vim.opt.runtimepath:append(%q)
package.path = %q .. '/?.lua;' .. package.path
local session, path = require('session'), %q
vim.api.nvim_create_autocmd('VimEnter', { callback = function()
  vim.bo.autoindent, vim.bo.indentexpr, vim.bo.formatoptions = false, '', ''
  session.when_ready(%s, function()
    %s
  end)
end })]]):format(here, here, result, tostring(settings ~= false), work),
  })
  local done = vim.wait(LIMIT_MS, function()
    return vim.uv.fs_stat(result) ~= nil
  end, 100)
  local screen = window:screen()
  window:close()
  assert(done, 'not in time:\n' .. screen)
  return vim.json.decode(table.concat(vim.fn.readfile(result), '\n'))
end

local function quantile(values, share)
  local sorted = vim.deepcopy(values)
  table.sort(sorted)
  return sorted[math.max(1, math.ceil(share * #sorted))]
end

local function summary(values)
  return { p50 = quantile(values, 0.5), p95 = quantile(values, 0.95), count = #values }
end

local function typing(settings)
  local work = ([[vim.api.nvim_input('Go'); vim.defer_fn(function()
      session.type(%q, %d, %d, %d, path)
    end, 200)]]):format(text, GAP_MS, PAUSE_EVERY, PAUSE_MS)
  return measured(settings, work:gsub('\\\n', '\\n'))
end

local report = { neovim = tostring(vim.version()), ghost_text_ms = {}, typing_ms = {} }
for _, view in ipairs(require('views')) do
  local settings = { ghost_text = view }
  local work = ([[session.ghost(vim.fn.readfile(vim.fn.expand('%%'), '', %d), %q, %d, %d, path)]]):format(
    GHOST_AFTER,
    GHOST_LINE,
    GHOST_GAP_MS,
    GHOST_TIMES
  )
  local ghost = measured(settings, work)
  report.ghost_text_ms[view] = vim.tbl_extend('error', summary(ghost.took), { missed = ghost.missed })

  local with, without, differences = {}, {}, {}
  for _ = 1, rounds do
    local off, on = typing(false), typing(settings)
    vim.list_extend(without, off)
    vim.list_extend(with, on)
    table.insert(differences, quantile(on, 0.95) - quantile(off, 0.95))
  end
  report.typing_ms[view] = {
    with = summary(with),
    without = summary(without),
    p95_difference = quantile(with, 0.95) - quantile(without, 0.95),
    p95_difference_by_round = differences,
  }
end

if json then
  io.stdout:write(vim.json.encode(report) .. '\n')
else
  for view, ghost in pairs(report.ghost_text_ms) do
    local typed = report.typing_ms[view]
    io.stdout:write(('%s, Neovim %s\n'):format(view, report.neovim))
    io.stdout:write(
      ('  key to ghost text on the screen   p50 %4.0f ms   p95 %4.0f ms   (%d, %d without)\n'):format(
        ghost.p50,
        ghost.p95,
        ghost.count,
        ghost.missed
      )
    )
    for _, name in ipairs({ 'with', 'without' }) do
      local values = typed[name]
      io.stdout:write(
        ('  key to screen, %-7s the plugin   p50 %4.1f ms   p95 %4.1f ms\n'):format(name, values.p50, values.p95)
      )
    end
  end
end
os.exit(0)
