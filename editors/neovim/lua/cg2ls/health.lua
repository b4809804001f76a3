--- `:checkhealth cg2ls`

local command_line = require('cg2ls.command_line')
local config = require('cg2ls.config')
local ghost = require('cg2ls.ghost')
local process = require('cg2ls.process')
local python = require('cg2ls.python')
local status = require('cg2ls.status')

local M = {}

local DOCTOR_MS = 60000

local health = vim.health

local function check_neovim()
  health.start('Neovim')
  if vim.fn.has('nvim-0.10') == 0 then
    health.error('This Neovim is too old.', { 'Install Neovim 0.10 or newer.' })
    return
  end
  health.ok(('Neovim %s'):format(tostring(vim.version())))
  if config.current.show == 'menu' then
    health.info('Completions are entries of the completion menu: the setting `show` is "menu".')
  elseif ghost.kind() == 'native' then
    health.info('Ghost text is shown by `vim.lsp.inline_completion`.')
  else
    health.info('Ghost text is shown by this plugin.')
  end
  for action, key in pairs(config.current.keymaps) do
    local mapping = key and vim.fn.maparg(key, 'i', false, true)
    if mapping and mapping.lhs and mapping.buffer == 0 then
      health.info(('%s (%s) keeps its usual meaning where there is no ghost text.'):format(key, action))
    end
  end
end

--- Reports the problems that `cg2ls doctor` finds.
local function check_doctor()
  local doctor = command_line.with({ 'doctor', '--json' })
  local result = process.wait(doctor or {}, DOCTOR_MS)
  local decoded, report = pcall(vim.json.decode, result.stdout)
  if not decoded then
    local said = process.last_line(result.stderr) or 'no output'
    health.error(
      ('`%s` failed: %s'):format(table.concat(doctor or {}, ' '), said),
      { 'Run that line in a shell; `:Cg2ls install` makes a new environment.' }
    )
    return
  end
  for section, facts in vim.spairs(report.facts) do
    for name, value in vim.spairs(facts) do
      health.info(('%s: %s: %s'):format(section, name, value))
    end
  end
  for _, note in ipairs(report.notes) do
    health.warn(note)
  end
  for _, problem in ipairs(report.problems) do
    health.error(problem)
  end
  if #report.problems == 0 then
    health.ok('`cg2ls doctor` finds that completion works here.')
  end
end

local function check_server()
  health.start('Server')
  local command, told = command_line.find()
  if not command then
    health.error(told, { ':Cg2ls install' })
    local program, version = python.find()
    if program then
      health.ok(('`%s` (Python %s) can make the environment.'):format(program, version))
    else
      health.error(version)
    end
    return
  end
  health.ok(('`%s`, from %s'):format(table.concat(command, ' '), told))
  check_doctor()
end

local function check_session()
  health.start('This session')
  local now = status.now
  if now.state == 'failed' then
    health.error(now.message or 'The server failed.')
  elseif now.state == 'stopped' then
    local filetypes = config.current.filetypes
    local where = filetypes == '*' and 'any file type' or table.concat(filetypes, ', ')
    health.info(('The server is not running; it starts when you open a file of: %s.'):format(where))
  else
    health.ok(('%s%s'):format(now.state, now.model and (', model ' .. now.model) or ''))
    if now.message then
      health.info(now.message)
    end
  end
  if now.latency_ms then
    health.info(('The last answer came after %.0f ms.'):format(now.latency_ms))
  end
end

--- Checks everything.
function M.check()
  check_neovim()
  check_server()
  check_session()
end

return M
